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
            "Your appointment",
            "This is a reminder of your appointment on {start}.",
        ),
        "offer": (
            "A time is free for you",
            "You are on the waiting list, and a time is free: {start}. It is kept for you until {until}.",
        ),
    }
)
"""Subject and text by what is told."""


def told(tell: Told, patients: Sequence[str], what: str, start: str, until: datetime | None = None) -> Work[None]:
    """Tell the patients (`Patient/ID`), and who acts for them."""
    subject, text = WORDS[what]
    said = text.format(start=shown(moment(start), tell.zone), until=shown(until, tell.zone) if until else "")
    mails = yield from _addresses(patients)
    if mails:
        whole = f"{said}\n\nSee, move or cancel it: {tell.root}{PAGE}\n"
        yield post([Mail(to, subject, whole) for to in mails])
    if tell.texts:
        for number in (yield from _numbers(patients)):
            yield enqueue(TASK, {"to": number, "text": f"{said} {tell.root}{PAGE}"})


def shown(when: datetime, zone: ZoneInfo) -> str:
    """A moment for people, by the clinic's clock."""
    return f"{when.astimezone(zone):%A, %d %B %Y, %H:%M} ({zone.key})"


def _addresses(patients: Sequence[str]) -> Work[list[str]]:
    rows = yield Statement(
        f"""SELECT DISTINCT a.mail FROM account a LEFT JOIN account_link l ON l.username = a.username
            WHERE a.mail IS NOT NULL AND NOT a.disabled AND a.role = 'patient'
              AND (a.fhir_user = ANY(%s::text[]) OR EXISTS (
              SELECT FROM care_relationship v JOIN patient_key k ON k.pat = v.pat
              WHERE 'Patient/' || k.id = ANY(%s::text[]) AND v.practitioner IN (a.fhir_user, l.related_person)
                AND {IN_FORCE}))
            ORDER BY a.mail""",
        (list(patients), list(patients)),
    )
    return [mail for (mail,) in rows]


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
