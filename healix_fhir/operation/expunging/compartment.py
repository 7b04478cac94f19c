"""What is in the compartment of a patient who is to be purged, and what is not taken with it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME, search_parameters
from healix_fhir.store.read import missing

PATIENT, IMAGES = TYPE_ID["Patient"], TYPE_ID["ImagingStudy"]
NAMED = 20
"""Resources that an outcome names."""

_OF = """
SELECT k.pat,
  EXISTS (SELECT FROM resource r WHERE r.type = %s AND r.id = k.id),
  (SELECT count(*) FROM resource r WHERE r.pat = k.pat AND r.type = %s AND NOT r.deleted)
FROM patient_key k WHERE k.id = %s"""


def of(id_: str) -> Work[int]:
    """The key of a patient's compartment. Raises NotFound for a Patient who never was, Conflict while there are images.

    Images have rules of their own (holds, retention, a time in which they can be restored), and would come back as
    resources as long as they are stored.
    """
    found = yield Statement(_OF, (PATIENT, IMAGES, id_))
    if not found or not found[0][1]:
        raise missing("Patient", id_)
    ((pat, _, images),) = found
    if images:
        raise HealixError(
            Category.CONFLICT,
            f"there are {images} imaging studies of Patient/{id_}: delete these first (DELETE /dicomweb/studies/…)",
        )
    return int(pat)


class Member(msgspec.Struct, frozen=True):
    """A resource in a compartment."""

    pk: int
    type: str
    id: str
    version: int
    deleted: bool


_ALONE = "NOT EXISTS (SELECT FROM compartment c WHERE c.pk = r.pk)"
_MEMBERS = f"""
SELECT r.pk, r.type, r.id, r.version, r.deleted FROM resource r
WHERE r.pat = %s AND r.type <> ALL(ARRAY[{PATIENT}, {IMAGES}]::smallint[]) AND {_ALONE}
  AND (NOT r.deleted OR EXISTS (SELECT FROM resource_history h WHERE h.type = r.type AND h.id = r.id))
LIMIT %s"""


def members(pat: int, most: int) -> Work[list[Member]]:
    """Up to `most` resources in this compartment alone of which there is something; without the Patient and images."""
    found = yield Statement(_MEMBERS, (pat, most), prepare=False)
    return [Member(pk, TYPE_NAME[type_], id_, version, deleted) for pk, type_, id_, version, deleted in found]


def itself(id_: str) -> Work[tuple[int | None, bool]]:
    """The key of a Patient, locked, and whether it is deleted; None and True where it is not there."""
    found = yield Statement(
        "SELECT pk, deleted FROM resource WHERE type = %s AND id = %s FOR UPDATE", (PATIENT, id_), prepare=False
    )
    return (found[0][0], found[0][1]) if found else (None, True)


_SHARED = f"""
SELECT r.type, r.id, count(*) OVER () FROM resource r
WHERE NOT r.deleted AND r.type <> {PATIENT} AND NOT ({_ALONE})
  AND (r.pat = %s OR r.pk IN (SELECT c.pk FROM compartment c WHERE c.pat = %s))
ORDER BY r.type, r.id LIMIT {NAMED}"""
_LINKED = f"""
SELECT r.type, r.id, count(*) OVER () FROM index_reference x JOIN resource r ON r.pk = x.pk
WHERE x.param = %s AND x.target_type = {PATIENT} AND x.target = %s AND NOT r.deleted
ORDER BY r.id LIMIT {NAMED}"""
_IMAGES = f"SELECT r.type, r.id, count(*) OVER () FROM resource r WHERE r.pat = %s AND r.type = {IMAGES} LIMIT {NAMED}"
_ACCOUNTS = "SELECT count(*) FROM account WHERE fhir_user = %s"


def left(id_: str, pat: int) -> Work[list[str]]:
    """What of a patient is not taken, each with why."""
    shared = yield Statement(_SHARED, (pat, pat), prepare=False)
    linked = yield Statement(_LINKED, (search_parameters("Patient")["link"].id, id_), prepare=False)
    images = yield Statement(_IMAGES, (pat,), prepare=False)
    ((accounts,),) = yield Statement(_ACCOUNTS, (f"Patient/{id_}",), prepare=False)
    told = [
        (shared, "in another patient's record too, and left as it is"),
        (linked, "linked with this Patient, and a record of its own: purge it by itself if it is the same person"),
        (
            images,
            "what is known of deleted images, and left until these cannot be restored: $expunge takes it out then",
        ),
    ]
    found = [f"{_named(rows)}: {why}" for rows, why in told if rows]
    if accounts:
        found.append(f"{accounts} accounts are this Patient's: close them on their pages")
    return found


def _named(rows: Sequence[Row]) -> str:
    names = ", ".join(f"{TYPE_NAME[type_]}/{id_}" for type_, id_, _ in rows)
    more = rows[0][2] - len(rows)
    return f"{names} and {more} more" if more else names
