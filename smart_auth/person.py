"""Users who are patients or act for patients, as the parents of children do.

Spec: FHIR R4, hl7.org/fhir/R4/relatedperson.html
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from healix_fhir.kernel.database import Statement, Work

PROXY = "RelatedPerson"
"""The type of resource that says who acts for a patient."""


class Person(msgspec.Struct, frozen=True):
    """Who the user of a patient's account is.

    `own` is the surrogate key of the user's own record, where there is one; `proxies` are the RelatedPersons, as
    `RelatedPerson/ID`, that the account is linked to: each names one patient, and for how long.
    """

    own: int | None = None
    proxies: tuple[str, ...] = ()


STANDING = """CASE WHEN a.role = 'patient' THEN
    (SELECT k.pat FROM patient_key k WHERE k.id = substr(a.fhir_user, 9) AND a.fhir_user LIKE 'Patient/%%') END,
  a.fhir_user,
  CASE WHEN a.role = 'patient' THEN
    ARRAY(SELECT l.related_person FROM account_link l WHERE l.username = a.username ORDER BY 1) END"""
"""Columns of the account `a` that `person_of` takes."""


def person_of(own: int | None, fhir_user: str | None, linked: Sequence[str] | None) -> Person:
    """Who the user of a patient's account is, which is linked to a Patient or RelatedPerson, and further ones."""
    first = [fhir_user] if fhir_user is not None and fhir_user.startswith(f"{PROXY}/") else []
    return Person(own, tuple(dict.fromkeys([*first, *(linked or ())])))


def find_person(username: str) -> Work[Person]:
    """Who the user of a patient's account is by now; nobody where it is closed."""
    rows = yield Statement(
        f"SELECT {STANDING} FROM account a WHERE a.username = %s AND a.role = 'patient' AND NOT a.disabled", (username,)
    )
    return person_of(*rows[0]) if rows else Person()
