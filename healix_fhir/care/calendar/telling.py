"""What people are told of their appointments: when they are, and nothing of whom, with whom or what for.

By mail to the accounts of a patient, and by text message where there is a number and a way to send it; by the clock of
the patient (extension `timezone`), else of the clinic, and in the language of each (care/tongues.py).

Spec: FHIR R4, hl7.org/fhir/R4/appointment.html; RFC 5322
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from healix_fhir.care.tongues import tongues
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
from healix_fhir.operation.goal.zone import zone_of
from smart_auth.care_list import IN_FORCE

Json = Mapping[str, Any]
TASK = "sms.send"
PAGE = "/account/appointments"


class Told(msgspec.Struct, frozen=True):
    """How people are told: the server's root, the clinic's clock and language, whether text messages can be sent."""

    root: str
    zone: ZoneInfo
    texts: bool = False
    language: str = ENGLISH


class Address(msgspec.Struct, frozen=True):
    """Where a mail goes: the account's person, the language that they chose, and the patient of whom they are told."""

    mail: str
    person: str
    chosen: str | None
    patient: str


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
    records = yield from _records(patients)
    zones = {one: zone_of(record, tell.zone) for one, record in records.items()}
    addresses = yield from _addresses(list(records))
    languages = yield from tongues([*records, *(one.person for one in addresses)], tell.language)
    mails = []
    for one in addresses:
        with speaking(one.chosen or languages[one.person]):
            subject, said = _said(zones[one.patient], what, start, until)
            mails.append(Mail(one.mail, subject, f"{said}\n\n{say(WHERE, address=tell.root + PAGE)}\n"))
    if mails:
        yield post(mails)
    for patient, record in records.items():
        to = number(record) if tell.texts else None
        if to is not None:
            with speaking(languages[patient]):
                _, said = _said(zones[patient], what, start, until)
            yield enqueue(TASK, {"to": to, "text": f"{said} {tell.root}{PAGE}"})


def _said(zone: tzinfo, what: str, start: str, until: datetime | None) -> tuple[str, str]:
    """Subject and text, in the language that is spoken."""
    subject, text = WORDS[what]
    times = {"start": shown(moment(start), zone), "until": shown(until, zone) if until else ""}
    return say(subject), say(text, **times)


def shown(when: datetime, zone: tzinfo) -> str:
    """A moment for people, by the clock of a zone."""
    here = when.astimezone(zone)
    day = f"{here:%A, %d %B %Y}" if language() == ENGLISH else long_day(here)
    return f"{day}, {here:%H:%M} ({zone})"


def _records(patients: Sequence[str]) -> Work[dict[str, dict[str, Any]]]:
    """The Patients that are there, by their references."""
    rows = yield Statement(
        "SELECT id, body FROM resource WHERE type = %s AND id = ANY(%s::text[]) AND NOT deleted ORDER BY id",
        (TYPE_ID["Patient"], [one.rpartition("/")[2] for one in patients]),
    )
    return {f"Patient/{id_}": decode_stored(body) for id_, body in rows}


def _addresses(patients: Sequence[str]) -> Work[list[Address]]:
    """Where mails go: one to each address, of the first of the patients for whom it is."""
    rows = yield Statement(
        f"""SELECT DISTINCT ON (a.mail) a.mail, a.fhir_user, a.language, p.reference
            FROM unnest(%s::text[]) AS p (reference) CROSS JOIN account a
            LEFT JOIN account_link l ON l.username = a.username
            WHERE a.mail IS NOT NULL AND NOT a.disabled AND a.role = 'patient'
              AND (a.fhir_user = p.reference OR EXISTS (
              SELECT FROM care_relationship v JOIN patient_key k ON k.pat = v.pat
              WHERE 'Patient/' || k.id = p.reference AND v.practitioner IN (a.fhir_user, l.related_person)
                AND {IN_FORCE}))
            ORDER BY a.mail, (a.fhir_user = p.reference) DESC, p.reference, a.username""",
        (list(patients),),
    )
    return [Address(*row) for row in rows]


def number(patient: Json) -> str | None:
    """The number to which a patient gets text messages: one for them, else a mobile one."""
    contacts = [one for one in patient.get("telecom", ()) if one.get("use") != "old" and one.get("value")]
    texts = [one for one in contacts if one.get("system") == "sms"]
    mobile = [one for one in contacts if one.get("system") == "phone" and one.get("use") == "mobile"]
    return next((str(one["value"]) for one in (*texts, *mobile)), None)
