"""Which patient somebody is who registers: told by an identifier together with the date of birth.

Both have to be those of exactly one active Patient; a record whose date of birth is not known to the day is nobody's.

Spec: FHIR R4, hl7.org/fhir/R4/patient.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.json import decode
from healix_fhir.search import tokens
from smart_auth.account.answered import Person

DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
ALIKE = 20
"""Patients of one identifier that are looked at."""


def is_day(birthdate: str) -> bool:
    """Whether a date of birth is one to the day. A year, or a month of it, is soon guessed, and proves nothing."""
    return DAY.fullmatch(birthdate) is not None


def find_person(code: str, birthdate: str) -> Work[Person | None]:
    """The patient with the identifier `code` (`system|value`, or the value alone) who was born on `birthdate`."""
    if not code.strip() or not is_day(birthdate):
        return None
    system, bar, value = code.strip().rpartition("|")
    identifier = search_parameters("Patient")["identifier"].id
    rows = yield Statement(
        """SELECT r.id, r.body FROM index_token t JOIN resource r ON r.pk = t.pk
           WHERE t.h = %s AND r.type = %s AND NOT r.deleted LIMIT %s""",
        (tokens.any_system(identifier, value), TYPE_ID["Patient"], ALIKE),
        prepare=False,
    )
    records = {id_: decode(bytes(body)) for id_, body in rows}
    found = [id_ for id_, record in records.items() if _is(record, system if bar else None, value, birthdate)]
    return Person(f"Patient/{found[0]}", frozenset(mails(records[found[0]]))) if len(found) == 1 else None


def mails(record: dict[str, Any]) -> Iterator[str]:
    """The mail addresses in a Patient that are not old, in lower case."""
    for contact in record.get("telecom", ()):
        if contact.get("system") == "email" and contact.get("use") != "old" and "value" in contact:
            yield contact["value"].strip().lower()


def _is(record: dict[str, Any], system: str | None, value: str, birthdate: str) -> bool:
    return (
        record.get("active") is not False
        and record.get("birthDate") == birthdate
        and any(
            str(one.get("value", "")).casefold() == value.casefold()
            and (system is None or one.get("system", "") == system)
            for one in record.get("identifier", ())
        )
    )


def is_patient(id_: str) -> Work[bool]:
    """Whether there is a Patient with this logical id."""
    rows = yield Statement(
        "SELECT 1 FROM resource WHERE type = %s AND id = %s AND NOT deleted", (TYPE_ID["Patient"], id_)
    )
    return bool(rows)
