"""Take versions out for good: earlier ones from the history, and the rows of deleted resources.

A deleted resource has no rows in the search index any more, and an empty body; what is left of it is its past, and a
row that says that it is gone. Both can go. A row goes after its past, so that no version is ever without its resource,
and a resource that is written again meanwhile is not touched.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#delete (what becomes of earlier versions is left to servers)
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from healix_fhir.kernel.arrays import int2, int8
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME

OF_IMAGES = TYPE_ID["ImagingStudy"]
"""Of a deleted one the last version is kept beside its images: restored ones are labelled by it again."""


class Extent(msgspec.Struct, frozen=True):
    """The resources that are meant: those of `types`, or the one of them with this `id`."""

    types: tuple[str, ...]
    id: str | None = None

    @property
    def condition(self) -> Fragment:
        """The condition on a resource row `r`."""
        of = Fragment("r.type = ANY(%s::smallint[])", (int2(TYPE_ID[name] for name in self.types),))
        if self.id is None:
            return of
        return Fragment(f'{of.sql} AND r.id = %s COLLATE "C"', (*of.params, self.id))


def there(extent: Extent) -> Statement:
    """A row where there is such a resource, or was."""
    condition = extent.condition
    return Statement(f"SELECT 1 FROM resource r WHERE {condition.sql} LIMIT 1", condition.params, prepare=False)


def current(extent: Extent, most: int) -> Work[list[tuple[str, str]]]:
    """Up to `most` resources that are not deleted, by type and logical id, locked in the order of writers."""
    condition = extent.condition
    found = yield Statement(
        f"""SELECT r.type, r.id FROM resource r WHERE {condition.sql} AND NOT r.deleted
            ORDER BY r.type, r.id LIMIT %s FOR UPDATE OF r SKIP LOCKED""",
        (*condition.params, most),
        prepare=False,
    )
    return [(TYPE_NAME[type_], id_) for type_, id_ in found]


_VERSIONS = """
WITH chosen AS MATERIALIZED (
       SELECT h.type, h.id, h.version FROM resource r JOIN resource_history h ON h.type = r.type AND h.id = r.id
       WHERE {condition} AND {state} LIMIT %s FOR UPDATE OF h SKIP LOCKED),
     gone AS (
       DELETE FROM resource_history h USING chosen c
       WHERE h.type = c.type AND h.id = c.id AND h.version = c.version RETURNING h.version)
SELECT count(*) FROM gone"""


def earlier(extent: Extent, most: int) -> Work[int]:
    """Take out up to `most` earlier versions; how many that were."""
    return (yield from _versions(extent, f"(NOT r.deleted OR r.type <> {OF_IMAGES})", most))


def of_deleted(extent: Extent, most: int) -> Work[int]:
    """Take out up to `most` earlier versions of deleted resources; how many that were."""
    return (yield from _versions(extent, "r.deleted", most))


def _versions(extent: Extent, state: str, most: int) -> Work[int]:
    condition = extent.condition
    ((count,),) = yield Statement(
        _VERSIONS.format(condition=condition.sql, state=state), (*condition.params, most), prepare=False
    )
    return int(count)


class Gone(msgspec.Struct, frozen=True):
    """A resource that was taken out: the key that it had, what it was, and the patient whom it was about."""

    pk: int
    entity: str
    patient: str | None


_ROWS = """
WITH chosen AS MATERIALIZED (
       SELECT r.pk, r.type, r.id FROM resource r
       WHERE {condition} AND r.deleted
         AND NOT EXISTS (SELECT FROM resource_history h WHERE h.type = r.type AND h.id = r.id)
       ORDER BY r.type, r.id LIMIT %s FOR UPDATE OF r SKIP LOCKED),
     compartments AS (DELETE FROM compartment c USING chosen x WHERE c.pk = x.pk),
     merges AS (DELETE FROM patient_merge_change m USING chosen x WHERE m.type = x.type AND m.id = x.id),
     gone AS (DELETE FROM resource r USING chosen x WHERE r.pk = x.pk RETURNING r.pk, r.type, r.id, r.pat)
SELECT g.pk, g.type, g.id, k.id FROM gone g LEFT JOIN patient_key k ON k.pat = g.pat ORDER BY g.type, g.id"""


def rows(extent: Extent, most: int) -> Work[list[Gone]]:
    """Take out up to `most` deleted resources that have no past any more."""
    condition = extent.condition
    found = yield Statement(_ROWS.format(condition=condition.sql), (*condition.params, most), prepare=False)
    return [Gone(pk, f"{TYPE_NAME[type_]}/{id_}", patient) for pk, type_, id_, patient in found]


def past_of(pks: Sequence[int]) -> Work[int]:
    """Take out every earlier version of resources; how many that were."""
    ((count,),) = yield Statement(
        """WITH gone AS (
             DELETE FROM resource_history h USING resource r
             WHERE r.pk = ANY(%s::bigint[]) AND h.type = r.type AND h.id = r.id RETURNING h.version)
           SELECT count(*) FROM gone""",
        (int8(pks),),
        prepare=False,
    )
    return int(count)


def past_of_patient(pat: int) -> Work[int]:
    """Take out the versions of a patient's compartment of resources that are in it no more; how many that were.

    The history is read for it once.
    """
    ((count,),) = yield Statement(
        """WITH gone AS (
             DELETE FROM resource_history h USING resource r
             WHERE h.pat = %s AND r.type = h.type AND r.id = h.id AND r.pat IS DISTINCT FROM h.pat
               AND NOT EXISTS (SELECT FROM compartment c WHERE c.pk = r.pk AND c.pat = h.pat)
             RETURNING h.version)
           SELECT count(*) FROM gone""",
        (pat,),
        prepare=False,
    )
    return int(count)
