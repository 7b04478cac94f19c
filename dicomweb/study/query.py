"""Searching studies, series and instances: the one service behind QIDO-RS and C-FIND.

Spec: PS3.18 10.6, PS3.4 C.2.2.2 and C.4.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import zstandard

from dicomweb.index.attributes import ATTRIBUTES, BY_KEY, BY_KEYWORD, Attribute, Level, Matching
from dicomweb.index.entities import level_of
from dicomweb.index.further import BUILT_IN, Catalogue
from dicomweb.index.matching import ALIAS, How, conditions
from dicomweb.index.naming import Step, steps
from dicomweb.index.regions import LISTED, REGIONS, UNREAD
from dicomweb.index.render import NONE, remembering, renderer
from dicomweb.index.stored import members, pick
from dicomweb.study.audited import audited
from dicomweb.study.listed import FROM, IF_OTHER, METADATA, ORDER, PATIENTS, PATIENTS_BY_KEY, VERSIONS
from dicomweb.study.retrieve import absolute
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.conditions import all_of
from healix_fhir.kernel.database import Fragment, Row, Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, invalid
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

__all__ = ["How", "Level", "Matches", "Query", "count", "query"]

LIMIT = 1000
"""The most matches of one answer, also when more are asked for."""
SHAPES = 8
"""Kinds of lists of which rows are remembered."""
_END = -4
"""Where the columns end that are attributes: the metadata, the patient, the place and the count follow, or the number,
how many matches there are, their state and the place.
"""
COUNTED = 100
"""How many further matches are counted, for the number of those that can still be requested.

A page that nobody turned over is not to cost more the more is stored: to count a thousand took longer than the page.
"""


@dataclass(frozen=True, slots=True)
class Columns:
    """What is read of each match: the UIDs of its levels, then the attributes with the `keys`; as `inner` columns of
    a statement, and as the `outer` ones of one around it.
    """

    keys: tuple[str, ...]
    inner: str
    outer: str


@dataclass(frozen=True)
class Query:
    r"""A parsed search; attributes are named as in dicomweb/index/naming.py.

    `keys`: (name, value) pairs; values as in PS3.4 C.2.2.2 (wildcards, ranges, lists of UIDs with `\`; an empty one
    matches everything). One that the index does not hold is no condition; `unmatched` names it. `include`: further
    attributes to return; `include_all`: every one that there is at the level. `below`: also return the default
    attributes of those levels above that are below this one; None for none of them. `defaults`: those of the level.
    `order`: attributes to sort by and whether descending, before the usual order. `catalogue`: what the index holds.
    """

    level: Level
    keys: tuple[tuple[str, str], ...] = ()
    include: tuple[str, ...] = ()
    include_all: bool = False
    below: int | None = 0
    defaults: bool = True
    how: How = field(default_factory=How)
    limit: int = LIMIT
    offset: int = 0
    order: tuple[tuple[str, bool], ...] = ()
    catalogue: Catalogue = BUILT_IN

    @property
    def unmatched(self) -> list[str]:
        """The keys with a value that are not matched, since the index does not hold them."""
        return [name for name, value in self.keys if self.catalogue.find(name) is None and value.strip()]

    # What follows from it is found once, as viewers ask the same again and again.

    @cached_property
    def conditions(self) -> list[tuple[Level, Fragment]]:
        """Those of the keys. Raises Invalid for a value that is malformed for its attribute."""
        found = [(self.catalogue.find(name), value) for name, value in self.keys]
        return conditions([(attribute, value) for attribute, value in found if attribute is not None], self.how)

    @cached_property
    def columns(self) -> Columns:
        """What is read of each match."""
        returned = attributes(self)
        columns = [*UIDS[: self.level], *map(selected, returned)]
        return Columns(
            tuple(attribute.key for attribute in returned),
            ", ".join(f"{column} AS c{number}" for number, column in enumerate(columns)),
            ", ".join(f"p.c{number}" for number in range(len(columns))),
        )

    @cached_property
    def paths(self) -> list[tuple[Step, ...]]:
        """What is returned that the index does not hold."""
        return _paths(self)


@dataclass(frozen=True, slots=True)
class Matches:
    """The result: one DICOM JSON object (encoded) for each match, and how many `remaining` ones come after them.

    More than `COUNTED` are one more than that. `state` stands for the rows that the objects are made of, if there is
    one; where it is that which the caller knows, they are `known` and left out.
    """

    objects: list[bytes]
    remaining: int = 0
    state: bytes | None = None
    known: bool = False

    @property
    def more(self) -> bool:
        """Whether matches remain after these."""
        return self.remaining > 0


WITHIN = {
    Level.STUDY: {
        Level.SERIES: "series e WHERE e.study_pk = s.pk",
        Level.INSTANCE: "series e JOIN instance i ON i.series_pk = e.pk WHERE e.study_pk = s.pk",
    },
    Level.SERIES: {Level.INSTANCE: "instance i WHERE i.series_pk = e.pk"},
}
"""The entities below one of a level, for keys of a lower level: some of them must match all."""

UIDS = ("s.study_uid", "e.series_uid", "i.instance_uid")
SEGMENTS = ("studies", "series", "instances")


def query(access: AccessContext, query: Query, *, base: str = "", known: bytes | None = None) -> Work[Matches]:
    """Run a search as far as `access` may see; one statement, with the audit rows of each patient shown.

    `base` is the DICOMweb base URL without a slash at the end, for Retrieve URL (0008,1190); without it none is
    returned. The objects are left out where their state is the `known` one. Raises Forbidden when `access` may not
    search at all, Invalid for a malformed key.
    """
    where = condition(access, query)
    yield from indexed(query)
    if has_state(query):
        return (yield from _if_other(access, query, where, base, known))
    found = Fragment(
        f"SELECT {query.columns.outer},"
        f" {METADATA[query.level] if reads_metadata(query) else 'NULL'} AS metadata,"
        " (SELECT k.id FROM patient_key k WHERE k.pat = p.pat) AS patient,"
        " row_number() OVER () AS place,"
        f" CASE WHEN row_number() OVER () > %s THEN (SELECT count(*) FROM (SELECT 1 FROM {FROM[query.level]}"
        f" WHERE {where.sql} LIMIT %s) m) END AS total"
        f" FROM (SELECT s.pat, {ALIAS[query.level]}.pk, {query.columns.inner} FROM {FROM[query.level]}"
        f" WHERE {where.sql} ORDER BY {_order(query)} LIMIT %s OFFSET %s) p",
        (
            query.limit,
            *where.params,
            query.offset + query.limit + COUNTED + 1,
            *where.params,
            query.limit + 1,
            query.offset,
        ),
    )
    about = Fragment(PATIENTS, (asked(query), query.limit))
    rows = yield audited(found, about, trail_row(access, query), prepare=False if query.keys else None)
    remaining = rows[query.limit][-1] - query.offset - query.limit if len(rows) > query.limit else 0
    del rows[query.limit :]
    return Matches(objects(query, query.columns.keys, [row[: _END + 1] for row in rows], base), remaining)


def has_state(query: Query) -> bool:
    """Whether matches have a state: of lists without keys, which everybody asks for; those of the index alone, and of
    rows of their own levels, where the regions of a study are none of its row.

    With keys the statement is planned each time, and this one takes longer to plan than it saves.
    """
    return not query.keys and not reads_metadata(query) and BY_KEYWORD[REGIONS].key not in query.columns.keys


def _if_other(access: AccessContext, query: Query, where: Fragment, base: str, known: bytes | None) -> Work[Matches]:
    """The matches of a list, or none where their state is the known one."""
    alias, source, versions = ALIAS[query.level], FROM[query.level], VERSIONS[query.level]
    most, passed = (_told(number, where) for number in (query.limit + COUNTED + 1, query.offset))
    found = Fragment(
        f"SELECT p.*, row_number() OVER () AS place FROM (SELECT {alias}.pk, s.pat,"
        f" {', '.join(f'{version} AS v{number}' for number, version in enumerate(versions))} FROM {source}"
        f" WHERE {where.sql} ORDER BY {_order(query)} LIMIT {most.sql} OFFSET {passed.sql}) p",
        (*where.params, *most.params, *passed.params),
    )
    mark = " || ".join(["int8send(pk)", *(f"xidsend(v{number})" for number in range(len(versions)))])
    other = Fragment(
        IF_OTHER.format(mark=mark, columns=query.columns.inner, source=source, key=f"{alias}.pk"),
        (query.limit, query.limit, known or b""),
    )
    about = Fragment(PATIENTS_BY_KEY, (asked(query), query.limit))
    rows = yield audited(found, about, trail_row(access, query), other)
    number, matches, state, _ = rows[0][_END:]
    remaining = max(0, matches - query.limit)
    if number is None:  # nothing is shown, or what is known
        return Matches([], remaining, state, state is not None and state == known)
    made = objects(query, query.columns.keys, [(*row[:_END], None) for row in rows], base)
    return Matches(made, remaining, state)


def _told(number: int, where: Fragment) -> Fragment:
    """How many rows, for the planner: as it is where all else is the same for whoever asks, so that one plan serves
    them all. Where it does not know, it expects a tenth of all, and rather plans each time, which takes longer than the
    list.
    """
    return Fragment("%s", (number,)) if where.params else Fragment(str(number))


def objects(query: Query, keys: tuple[str, ...], rows: Sequence[Row], base: str = "") -> list[bytes]:
    """The DICOM JSON objects of rows: the UIDs of the levels, the attributes with these keys, and the metadata."""
    if not reads_metadata(query):
        render = _remembered(query.level, keys, base)
        return [render(row[:-1]) for row in rows]
    return list(_with_metadata(query, rows, _renderer(query.level, keys, base), base))


Key = tuple[Any, ...]


def _renderer(level: Level, keys: Sequence[str], base: str) -> Callable[[Key, Mapping[str, bytes]], bytes]:
    """What makes the object of a row: the UIDs of its levels, and the attributes with these keys."""
    render = renderer([BY_KEY[key] for key in keys])

    def rendered(row: Key, further: Mapping[str, bytes]) -> bytes:
        return render(row[level:], _url(base, row[:level]), further)

    return rendered


@lru_cache(maxsize=SHAPES)
def _remembered(level: Level, keys: tuple[str, ...], base: str) -> Callable[[Key], bytes]:
    render = _renderer(level, keys, base)
    return remembering(lambda row: render(row, NONE))


def selected(attribute: Attribute) -> str:
    """The value of an attribute; several ones as DICOM writes them, in one text."""
    if attribute.keyword == REGIONS:
        return LISTED
    column = f"{ALIAS[attribute.level]}.{attribute.column}"
    return f"array_to_string({column}, '\\')" if attribute.matching is Matching.MEMBER else column


def _with_metadata(
    query: Query,
    rows: Sequence[Row],
    render: Callable[[Key, Mapping[str, bytes]], bytes],
    base: str,
) -> Iterator[bytes]:
    """The objects of rows with more than the index holds; their last column is the metadata."""
    decompress = zstandard.ZstdDecompressor().decompress
    for row in rows:
        further = NONE
        if row[-1] is not None:
            stored = members(absolute(decompress(row[-1]), f"{_url(base, row[: query.level])}/"))
            further = {tag: bytes(raw) for tag, raw in stored.items()} if _whole(query) else pick(stored, query.paths)
        yield render(row[:-1], further)


def count(access: AccessContext, query: Query) -> Work[int]:
    """How many matches `access` may see; one statement, and one for the audit row. Raises as `query`."""
    where = condition(access, query)
    yield from indexed(query)
    rows = yield Statement(f"SELECT count(*) FROM {FROM[query.level]} WHERE {where.sql}", where.params, prepare=False)
    yield record([trail_row(access, query)])
    return int(rows[0][0])


def condition(access: AccessContext, query: Query) -> Fragment:
    """What is open to the caller, and the keys; of the lower levels one entity matches all keys of them."""
    access.require("ImagingStudy", Permission.SEARCH)
    found = query.conditions
    parts = [access.represented("ImagingStudy", Permission.SEARCH, "s.pat", "s.imaging_study")]
    parts += [condition for level, condition in found if level <= query.level]
    below = [(level, condition) for level, condition in found if level > query.level]
    if below:
        lowest = max(level for level, _ in below)
        inner = all_of(condition for _, condition in below)
        parts.append(Fragment(f"EXISTS (SELECT 1 FROM {WITHIN[query.level][lowest]} AND {inner.sql})", inner.params))
    return all_of(parts)


def indexed(query: Query) -> Work[None]:
    """Refuse (Unavailable) further attributes, and regions, of which not all that is stored is indexed yet."""
    codes = {one.code: name for name, _ in query.keys if (one := query.catalogue.further.get(name)) is not None}
    if codes:
        rows = yield Statement("SELECT code FROM further_attribute WHERE code = ANY(%s) AND whole", (list(codes),))
        missing = [name for code, name in codes.items() if (code,) not in rows]
        if missing:
            raise HealixError(Category.UNAVAILABLE, f"{missing[0]} is still being indexed")
    if any(name.startswith(f"{REGIONS}.") and value.strip() for name, value in query.keys):
        rows = yield Statement(UNREAD)
        if rows[0][0]:
            raise HealixError(Category.UNAVAILABLE, f"{REGIONS} is still being indexed")


def _order(query: Query) -> str:
    wanted = [(sortable(query.level, name), descending) for name, descending in query.order]
    return ", ".join(
        [*(f"{_sorted(one)}{' DESC' if down else ''} NULLS LAST" for one, down in wanted), ORDER[query.level]]
    )


def _sorted(attribute: Attribute) -> str:
    column = f"{ALIAS[attribute.level]}.{attribute.column}"
    return f"nullif({column}_folded, '{{}}')" if attribute.vr == "PN" else column


def sortable(level: Level, name: str) -> Attribute:
    """The attribute with a canonical name, when matches at `level` can be sorted by it. Raises Invalid."""
    attribute = BY_KEYWORD.get(name)
    if attribute is None or attribute.level > level or attribute.within or attribute.column in UNSORTED:
        raise invalid(f"matches cannot be sorted by {name}", code="not-supported")
    return attribute


UNSORTED = frozenset({"modalities", "sop_classes", "regions", "request_attributes"})
"""Columns with several values."""


def attributes(query: Query) -> list[Attribute]:
    """The attributes of the answer; those inside a sequence come with it, the UIDs of the levels above always."""
    named = {name for name, _ in query.keys} | {*query.include}
    sequences = {name.partition(".")[0] for name in named if "." in name}
    own = [
        attribute
        for attribute in ATTRIBUTES
        if not attribute.within
        and attribute.level <= query.level
        and (
            (attribute.default and query.defaults and _is_told(attribute, query))
            or query.include_all
            or attribute.keyword in named | sequences
            or attribute.keyword in ("StudyInstanceUID", "SeriesInstanceUID")
        )
    ]
    return sorted(own, key=lambda attribute: attribute.tag)


def _is_told(attribute: Attribute, query: Query) -> bool:
    """Whether a default attribute belongs into the answer, by its level; the zone belongs to each.

    Spec: PS3.18 10.6.3.3.2 and 10.6.3.3.3 (2024d)
    """
    return (
        attribute.level == query.level
        or (query.below is not None and attribute.level > query.below)
        or attribute.matching is Matching.ZONE
    )


def _paths(query: Query) -> list[tuple[Step, ...]]:
    """What is asked for of attributes that the index does not hold.

    What belongs to a lower level is not returned. Spec: PS3.18 10.6.3.3.1 and 10.6.3.3.2 (2024d)
    """
    named = dict.fromkeys([*query.include, *(name for name, _ in query.keys)])
    if query.include_all:
        further = query.catalogue.further.values()
        named |= dict.fromkeys(attribute.keyword for attribute in further if attribute.level <= query.level)
    held = {attribute.keyword for attribute in ATTRIBUTES}
    found = []
    for name in named:
        attribute = query.catalogue.further.get(name)
        level = attribute.level if attribute is not None else level_of(name)
        if name.partition(".")[0] not in held and level <= query.level:
            found.append(steps(name))
    return found


def reads_metadata(query: Query) -> bool:
    """Whether more is returned than the index holds, which takes some computing."""
    return bool(query.paths) or _whole(query)


def _whole(query: Query) -> bool:
    """Whether all that is stored is returned: every attribute of an object belongs to its instance."""
    return query.include_all and query.level is Level.INSTANCE


def trail_row(access: AccessContext, query: Query) -> AuditRow:
    """The audit row of a search, of nobody yet."""
    return AuditRow(access.origin, "E", f"query-{query.level.name.lower()}", query=asked(query))


def asked(query: Query) -> str:
    """The keys as the audit trail shows them."""
    return "&".join(f"{name}={value}" for name, value in query.keys).replace("\0", "")


def _url(base: str, uids: Sequence[str]) -> str:
    if not base:
        return ""
    return base + "".join(f"/{segment}/{uid}" for segment, uid in zip(SEGMENTS, uids, strict=False))
