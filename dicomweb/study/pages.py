"""Searches whose answers have no end: page after page in constant memory, as C-FIND answers; and those of patients.

A page goes on behind the place of the last match, so it costs what one page costs, and neither repeats nor misses what
stays as it is. DICOMweb has no level of patients: what is searched here are the studies that carry a PatientID.

Spec: PS3.4 C.2.2.2, C.4.1 and C.6.1.1.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import msgspec

from dicomweb.index.attributes import BY_KEYWORD, Level
from dicomweb.index.matching import ALIAS
from dicomweb.study.audited import audited
from dicomweb.study.listed import FROM, METADATA, ORDER, ORDERED, PATIENTS
from dicomweb.study.query import (
    Query,
    asked,
    condition,
    indexed,
    objects,
    reads_metadata,
    selected,
    trail_row,
)
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.conditions import all_of, any_of
from healix_fhir.kernel.database import Fragment, Statement, Work
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Place = tuple[Any, ...]
"""Where a match stands in its order."""
Order = Sequence[tuple[str, bool]]
"""Columns, and which descend."""
NEVER_NULL = frozenset({"s.pk", "e.pk", "i.pk"})

PATIENT = tuple(
    BY_KEYWORD[keyword]
    for keyword in ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
)
"""The attributes of a patient that the index holds."""
KEYS = tuple(attribute.key for attribute in PATIENT)
WHOSE = ("PatientID", "IssuerOfPatientID")
"""The attributes that say whose a study is."""
_WHO = (("s.patient_id", False), ("s.patient_id_issuer", False))
RELATED = {"00201200": "studies", "00201202": "series", "00201204": "instances"}
"""Numbers of Patient Related Studies, Series and Instances: of all that the caller may see."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some matches, each one DICOM JSON object (encoded), and the place of the last one if more may follow."""

    objects: list[bytes]
    last: Place | None = None


def page(access: AccessContext, query: Query, after: Place | None = None) -> Work[Page]:
    """The matches in the usual order, at most the limit of `query`, that follow a place; audited.

    One statement. Raises Forbidden when `access` may not search at all, Invalid for a malformed key.
    """
    which = condition(access, query)
    yield from indexed(query)
    place = [column for column, _ in ORDERED[query.level]]
    inner = ", ".join(f"{column} AS o{number}" for number, column in enumerate(place))
    outer = ", ".join(f"p.o{number}" for number in range(len(place)))
    matches = _in_turn(
        f"SELECT s.pat, {ALIAS[query.level]}.pk, {inner}, {query.columns.inner} FROM {FROM[query.level]}",
        f" ORDER BY {ORDER[query.level]}",
        [all_of([which, *part]) for part in _following(ORDERED[query.level], after)],
        query.limit,
    )
    found = Fragment(
        f"SELECT {outer}, {query.columns.outer},"
        f" {METADATA[query.level] if reads_metadata(query) else 'NULL'} AS metadata,"
        " (SELECT k.id FROM patient_key k WHERE k.pat = p.pat) AS patient, row_number() OVER () AS place"
        f" FROM ({matches.sql}) p",
        matches.params,
    )
    about = Fragment(PATIENTS, (asked(query), query.limit))
    rows = yield audited(found, about, trail_row(access, query), prepare=False if query.keys else None)
    width = len(place)
    last = rows[-1][:width] if len(rows) == query.limit else None
    return Page(objects(query, query.columns.keys, [row[width:-2] for row in rows]), last)


def patients(access: AccessContext, query: Query, after: Place | None = None) -> Work[Page]:
    """The patients whose studies match `query`, a search at study level, as their newest object describes them.

    In order of their PatientID and its issuer, with the numbers of what there is of each. Audited; raises as `page`.
    """
    which = condition(access, query)
    yield from indexed(query)
    seen = access.represented("ImagingStudy", Permission.SEARCH, "t.pat", "t.imaging_study")
    columns = ["s.study_uid", *map(selected, PATIENT), *(column for column, _ in _WHO)]
    numbered = ", ".join(f"{column} AS c{number}" for number, column in enumerate(columns))
    named = _in_turn(
        "SELECT s.patient_id, s.patient_id_issuer, max(s.pk) AS pk FROM study s",
        " GROUP BY s.patient_id, s.patient_id_issuer ORDER BY s.patient_id, s.patient_id_issuer",
        [all_of([which, *part]) for part in _following(_WHO, after)],
        query.limit,
    )
    found = Fragment(
        f"SELECT {_names(len(columns))}, {METADATA[Level.STUDY] if reads_metadata(query) else 'NULL'} AS metadata,"
        " p.studies, p.series, p.instances, p.patient, row_number() OVER (ORDER BY p.patient_id, p.issuer) AS place"
        f" FROM (SELECT k.id AS patient, s.pk, {numbered}, n.*, g.patient_id, g.patient_id_issuer AS issuer"
        f" FROM ({named.sql}) g JOIN study s ON s.pk = g.pk LEFT JOIN patient_key k ON k.pat = s.pat"
        " CROSS JOIN LATERAL (SELECT count(*) AS studies, sum(t.series_count)::bigint AS series,"
        " sum(t.instance_count)::bigint AS instances FROM study t WHERE"
        " (t.patient_id = s.patient_id OR (t.patient_id IS NULL AND s.patient_id IS NULL))"
        f" AND t.patient_id_issuer IS NOT DISTINCT FROM s.patient_id_issuer AND {seen.sql}) n) p",
        (*named.params, *seen.params),
    )
    about = Fragment(PATIENTS, (asked(query), query.limit))
    row = AuditRow(access.origin, "E", "query-patient", query=asked(query))
    rows = yield audited(found, about, row, prepare=False if query.keys else None)
    width = len(columns) - len(_WHO)
    last = rows[-1][width : width + len(_WHO)] if len(rows) == query.limit else None
    made = objects(query, KEYS, [(*row[:width], row[len(columns)]) for row in rows])
    counts = [row[len(columns) + 1 : len(columns) + 4] for row in rows]
    return Page([_counted(one, numbers) for one, numbers in zip(made, counts, strict=True)], last)


_RELATED = """
SELECT w.id, w.issuer, count(*), sum(t.series_count)::bigint, sum(t.instance_count)::bigint
FROM (SELECT DISTINCT id, issuer FROM unnest(%s::text[], %s::text[]) AS x (id, issuer)) w
JOIN study t ON t.patient_id = w.id AND t.patient_id_issuer IS NOT DISTINCT FROM w.issuer
WHERE {seen} GROUP BY w.id, w.issuer"""


def page_with_related(access: AccessContext, query: Query, after: Place | None = None) -> Work[Page]:
    """`page` of studies, each with the numbers of what there is of its patient, none where it has no PatientID.

    Two statements. The query includes `WHOSE`. Spec: PS3.4 Table C.6-5 (2024d)
    """
    found = yield from page(access, query, after)
    owners = [_owner(one) for one in found.objects]
    seen = access.represented("ImagingStudy", Permission.SEARCH, "t.pat", "t.imaging_study")
    of = [owner for owner in owners if owner[0] is not None]
    rows = yield Statement(
        _RELATED.format(seen=seen.sql), ([id_ for id_, _ in of], [issuer for _, issuer in of], *seen.params)
    )
    numbers = {(id_, issuer): counts for id_, issuer, *counts in rows}
    return Page(
        [_counted(one, numbers.get(owner, ())) for one, owner in zip(found.objects, owners, strict=True)], found.last
    )


def _owner(encoded: bytes) -> tuple[str | None, str | None]:
    """PatientID and issuer of a study."""
    members: dict[str, Any] = msgspec.json.decode(encoded)
    id_, issuer = (next(iter(members.get(BY_KEYWORD[one].key, {}).get("Value", ())), None) for one in WHOSE)
    return id_, issuer


def _counted(encoded: bytes, numbers: Sequence[int]) -> bytes:
    members = msgspec.json.decode(encoded, type=dict[str, msgspec.Raw])
    for tag, number in zip(RELATED, numbers, strict=False):
        members[tag] = msgspec.Raw(b'{"vr":"IS","Value":[%d]}' % number)
    return msgspec.json.encode(members)


def _names(count: int) -> str:
    return ", ".join(f"p.c{number}" for number in range(count))


def _in_turn(select: str, ordered: str, parts: Sequence[Fragment], limit: int) -> Fragment:
    """The rows of `select` where one condition holds, then those where the next one does, at most so many; `ordered`
    is what comes after the condition.
    """
    arms = [f"({select} WHERE {part.sql}{ordered} LIMIT %s)" for part in parts]
    params = [param for part in parts for param in (*part.params, limit)]
    return Fragment(f"SELECT * FROM ({' UNION ALL '.join(arms)}) u LIMIT %s", (*params, limit))


def _following(ordered: Order, place: Place | None) -> list[list[Fragment]]:
    """The conditions of what follows a place in an order in which NULL is the last value of each column.

    In two parts, what has a value in the first column before what has none, as each is a range of an index: a page
    begins where the last one ended, instead of passing over all that came before.
    """
    if place is None:
        return [[]]
    none = Fragment(f"{ordered[0][0]} IS NULL")
    if place[0] is None:
        return [[none, _beyond(ordered[1:], place[1:])]]
    return [[_bound(ordered, place), _beyond(ordered, place)], [none]]


def _bound(ordered: Order, place: Place) -> Fragment:
    """The range of the index: of its first column, and of a key that follows in the same direction."""
    descends = ordered[0][1]
    further = takewhile(lambda one: one[0] in NEVER_NULL and one[1] is descends, ordered[1:])
    columns = [ordered[0][0], *(column for column, _ in further)]
    marks = ", ".join(["%s"] * len(columns))
    return Fragment(f"({', '.join(columns)}) {'<=' if descends else '>='} ({marks})", place[: len(columns)])


def _beyond(ordered: Order, place: Place) -> Fragment:
    """Exactly what follows the place."""
    arms: list[Fragment] = []
    same: list[Fragment] = []
    for (column, descends), value in zip(ordered, place, strict=True):
        if value is None:
            same.append(Fragment(f"{column} IS NULL"))
            continue
        beyond = Fragment(f"({column} {'<' if descends else '>'} %s OR {column} IS NULL)", (value,))
        arms.append(all_of([*same, beyond]))
        same.append(Fragment(f"{column} = %s", (value,)))
    return any_of(arms)
