"""Searching studies, series and instances: the one service behind QIDO-RS and C-FIND.

Spec: PS3.18 10.6, PS3.4 C.2.2.2 and C.4.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicomweb.index.attributes import ATTRIBUTES, BY_KEYWORD, Attribute, Level, canonical
from dicomweb.index.matching import ALIAS, condition
from dicomweb.index.render import render
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.kernel.errors import invalid
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

__all__ = ["Level", "Matches", "Query", "parse", "query"]

LIMIT = 1000
"""The most matches of one answer, also when more are asked for."""
OFFSET_LIMIT = 1 << 31


@dataclass(frozen=True, slots=True)
class Query:
    r"""A parsed search.

    `keys`: (keyword, value) pairs, a sequence's attribute as `RequestAttributesSequence.ScheduledProcedureStepID`;
    values as in PS3.4 C.2.2.2 (wildcards, ranges, lists of UIDs with `\`; an empty one matches everything).
    `include`: further keywords to return; `include_all`: every attribute that is indexed. `parents`: also return the
    default attributes of the levels above.
    """

    level: Level
    keys: tuple[tuple[str, str], ...] = ()
    include: tuple[str, ...] = ()
    include_all: bool = False
    parents: bool = True
    fuzzy: bool = False
    limit: int = LIMIT
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Matches:
    """The result: one DICOM JSON object (encoded) for each match; `more`: whether matches remain after the limit."""

    objects: list[bytes]
    more: bool


def parse(level: Level, params: Sequence[tuple[str, str]], *, within: Sequence[tuple[str, str]] = ()) -> Query:
    """A search from QIDO-RS query parameters: attributes by keyword or tag, includefield, limit, offset, fuzzymatching.

    `within` are keys from the path, e.g. `(("StudyInstanceUID", uid),)`. Raises Invalid for what is malformed or not
    indexed: a key that is silently ignored would answer with other patients' studies.
    """
    keys = list(within)
    include: list[str] = []
    limit, offset, fuzzy, every = LIMIT, 0, False, False
    for name, value in params:
        if name == "limit":
            limit = min(_whole(name, value), LIMIT)
        elif name == "offset":
            offset = _whole(name, value)
        elif name == "fuzzymatching":
            fuzzy = _boolean(name, value)
        elif name == "includefield":
            every = every or value == "all"
            include += [known for field in value.split(",") if (known := canonical(field)) is not None]
        else:
            keys.append((_keyword(level, name), value))
    found = Query(level, tuple(keys), tuple(include), every, not within, fuzzy, limit, offset)
    _conditions(found)
    return found


def _whole(name: str, value: str) -> int:
    if not value.isascii() or not value.isdecimal() or int(value[:11]) > OFFSET_LIMIT:
        raise invalid(f"{name} must be a whole number", code="value")
    return int(value)


def _boolean(name: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise invalid(f"{name} must be true or false", code="value")
    return value == "true"


def _keyword(level: Level, name: str) -> str:
    keyword = canonical(name)
    if keyword is None:
        raise invalid(f"'{name[:64]}' is no attribute that this server searches by", code="not-supported")
    if BY_KEYWORD[keyword].level > level:
        raise invalid(f"{keyword} belongs to a lower level than the one searched", code="not-supported")
    return keyword


def _conditions(query: Query) -> list[Fragment]:
    found = (condition(BY_KEYWORD[keyword], value, fuzzy=query.fuzzy) for keyword, value in query.keys)
    return [fragment for fragment in found if fragment is not None]


def _returned(query: Query) -> list[Attribute]:
    """The attributes of the answer; those inside a sequence come with it, the UIDs of the levels above always."""
    own = [
        attribute
        for attribute in ATTRIBUTES
        if not attribute.within
        and attribute.level <= query.level
        and (
            (attribute.default and (query.parents or attribute.level == query.level))
            or query.include_all
            or attribute.keyword in query.include
            or attribute.keyword in ("StudyInstanceUID", "SeriesInstanceUID")
        )
    ]
    return sorted(own, key=lambda attribute: attribute.tag)


FROM = {
    Level.STUDY: "study s",
    Level.SERIES: "series e JOIN study s ON s.pk = e.study_pk",
    Level.INSTANCE: "instance i JOIN series e ON e.pk = i.series_pk JOIN study s ON s.pk = e.study_pk",
}
ORDER = {
    Level.STUDY: "s.study_date DESC NULLS LAST, s.pk DESC",
    Level.SERIES: "e.study_pk, e.series_number, e.pk",
    Level.INSTANCE: "e.study_pk, e.series_number, e.pk, i.instance_number, i.pk",
}
UIDS = ("s.study_uid", "e.series_uid", "i.instance_uid")
SEGMENTS = ("studies", "series", "instances")


def query(access: AccessContext, query: Query, *, base: str = "") -> Work[Matches]:
    """Run a search as far as `access` may see; one statement, and one for the audit rows of each patient shown.

    `base` is the DICOMweb base URL without a slash at the end, for Retrieve URL (0008,1190); without it none is
    returned (C-FIND). Raises Forbidden when `access` may not search at all, Invalid for a malformed key.
    """
    access.require("ImagingStudy", Permission.SEARCH)
    conditions = [
        access.represented("ImagingStudy", Permission.SEARCH, "s.pat", "s.imaging_study"),
        *_conditions(query),
    ]
    returned = _returned(query)
    selected = [f"{ALIAS[attribute.level]}.{attribute.column}" for attribute in returned]
    rows = yield Statement(
        f"SELECT k.id, {', '.join([*UIDS[: query.level], *selected])} FROM {FROM[query.level]}"
        " LEFT JOIN patient_key k ON k.pat = s.pat"
        f" WHERE {' AND '.join(part.sql for part in conditions)} ORDER BY {ORDER[query.level]} LIMIT %s OFFSET %s",
        (*(param for part in conditions for param in part.params), query.limit + 1, query.offset),
    )
    asked = "&".join(f"{keyword}={value}" for keyword, value in query.keys).replace("\0", "")
    shown = [row[1:] for row in rows[: query.limit]]
    patients = dict.fromkeys(row[0] for row in rows[: query.limit] if row[0] is not None)
    word = f"query-{query.level.name.lower()}"
    yield record([AuditRow(access.origin, "E", word, patient=patient, query=asked) for patient in patients or (None,)])
    objects = [render(returned, row[query.level :], _url(base, row[: query.level])) for row in shown]
    return Matches(objects, more=len(rows) > query.limit)


def _url(base: str, uids: Sequence[str]) -> str:
    if not base:
        return ""
    return base + "".join(f"/{segment}/{uid}" for segment, uid in zip(SEGMENTS, uids, strict=False))
