"""What people are told of their appointments: when they are, and nothing of whom, with whom or what for.

By mail to the accounts of a patient, and by text message where there is a number and a way to send it.

Spec: FHIR R4, hl7.org/fhir/R4/appointment.html; RFC 5322
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.jobs import enqueue
from healix_fhir.kernel.language.catalogue import marked, say
from healix_fhir.kernel.language.dates import long_day
from healix_fhir.kernel.language.spoken import ENGLISH, language, speaking
from healix_fhir.kernel.mail.message import Mail
from healix_fhir.kernel.mail.queue import post
from healix_fhir.model.appointment import moment
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from smart_auth.care_list import IN_FORCE

Json = Mapping[str, Any]
TASK = "sms.send"
PAGE = "/account/appointments"


class Told(msgspec.Struct, frozen=True):
    """How people are told: the server's root, the clinic's clock, and whether text messages can be sent."""

    root: str
    zone: ZoneInfo
    texts: bool = False


WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "reminder": (
            marked("Your appointment"),
            marked("This is a reminder of your appointment on {start}."),
        ),
        "offer": (
            marked("A time is free for you"),
            marked("You are on the waiting list, and a time is free: {start}. It is kept for you until {until}."),
        ),
    }
)
"""Subject and text by what is told."""
WHERE = marked("See, move or cancel it: {address}")


def told(tell: Told, patients: Sequence[str], what: str, start: str, until: datetime | None = None) -> Work[None]:
    """Tell the patients (`Patient/ID`), and who acts for them."""
    mails = []
    for to, chosen in (yield from _addresses(patients)):
        with speaking(chosen):
            subject, said = _said(tell, what, start, until)
            mails.append(Mail(to, subject, f"{said}\n\n{say(WHERE, address=tell.root + PAGE)}\n"))
    if mails:
        yield post(mails)
    if tell.texts:
        _, said = _said(tell, what, start, until)
        for number in (yield from _numbers(patients)):
            yield enqueue(TASK, {"to": number, "text": f"{said} {tell.root}{PAGE}"})


def _said(tell: Told, what: str, start: str, until: datetime | None) -> tuple[str, str]:
    """Subject and text, in the language that is spoken."""
    subject, text = WORDS[what]
    times = {"start": shown(moment(start), tell.zone), "until": shown(until, tell.zone) if until else ""}
    return say(subject), say(text, **times)


def shown(when: datetime, zone: ZoneInfo) -> str:
    """A moment for people, by the clinic's clock."""
    here = when.astimezone(zone)
    day = f"{here:%A, %d %B %Y}" if language() == ENGLISH else long_day(here)
    return f"{day}, {here:%H:%M} ({zone.key})"


def _addresses(patients: Sequence[str]) -> Work[list[tuple[str, str | None]]]:
    """Where mails go, and the language that each reader has chosen."""
    rows = yield Statement(
        f"""SELECT a.mail, min(a.language) FROM account a LEFT JOIN account_link l ON l.username = a.username
            WHERE a.mail IS NOT NULL AND NOT a.disabled AND a.role = 'patient'
              AND (a.fhir_user = ANY(%s::text[]) OR EXISTS (
              SELECT FROM care_relationship v JOIN patient_key k ON k.pat = v.pat
              WHERE 'Patient/' || k.id = ANY(%s::text[]) AND v.practitioner IN (a.fhir_user, l.related_person)
                AND {IN_FORCE}))
            GROUP BY a.mail ORDER BY a.mail""",
        (list(patients), list(patients)),
    )
    return [(mail, chosen) for mail, chosen in rows]


def _numbers(patients: Sequence[str]) -> Work[list[str]]:
    rows = yield Statement(
        "SELECT body FROM resource WHERE type = %s AND id = ANY(%s::text[]) AND NOT deleted",
        (TYPE_ID["Patient"], [one.rpartition("/")[2] for one in patients]),
    )
    found = (number(decode_stored(body)) for (body,) in rows)
    return [one for one in found if one is not None]


def number(patient: Json) -> str | None:
    """The number to which a patient gets text messages: one for them, else a mobile one."""
    contacts = [one for one in patient.get("telecom", ()) if one.get("use") != "old" and one.get("value")]
    texts = [one for one in contacts if one.get("system") == "sms"]
    mobile = [one for one in contacts if one.get("system") == "phone" and one.get("use") == "mobile"]
    return next((str(one["value"]) for one in (*texts, *mobile)), None)
