"""Searching objects of no patient: the one service behind DICOMweb and C-FIND.

Matching is that of workitems: it sees the values of these objects as it sees those of its own.

Spec: PS3.18 12.6 and 8.3.4, PS3.4 U.4.1, X.4.1, BB.4.1, HH.4.1, II.4.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import zstandard

from dicomweb.non_patient.found_by import CREATION, DATE, TIME
from dicomweb.non_patient.models import Model
from dicomweb.non_patient.opened import require
from dicomweb.study.retrieve import absolute
from dicomweb.whole import whole
from dicomweb.workitem.matching import Path, conditions, path_of
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.conditions import all_of
from healix_fhir.kernel.database import Fragment, Row, Statement, Work
from healix_fhir.kernel.errors import HealixError, invalid
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

LIMIT = 1000
"""The most matches of one answer, also when more are asked for."""
COUNTED = 100
MOST_FIELDS = 200
WORD = "query-non-patient"
STEERING = frozenset({"limit", "offset", "fuzzymatching", "includefield"})
"""The parameters that are no attributes."""
RETRIEVE_URL = "00081190"

_AS_WORKITEMS = (
    "WITH workitem_key AS NOT MATERIALIZED (SELECT instance AS workitem, path, item, value FROM non_patient_key)"
)
"""The values under the name that conditions know them by."""


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed search of objects of `classes`: `keys` are matched where they have a value. `returned`: the tags that
    are told of each match; all are with `every`.
    """

    classes: frozenset[str]
    keys: tuple[tuple[Path, str], ...] = ()
    returned: frozenset[str] = frozenset()
    every: bool = False
    fuzzy: bool = False
    limit: int = LIMIT
    offset: int = 0

    @property
    def conditions(self) -> list[Fragment]:
        """What it asks of the rows `w`."""
        found = conditions(self.keys, fuzzy=self.fuzzy)
        return [Fragment("w.sop_class_uid = ANY(%s)", (sorted(self.classes),)), *found]


@dataclass(frozen=True, slots=True)
class Matches:
    """The result: one DICOM JSON object (encoded) for each match; `remaining`: how many matches are after the limit,
    of which no more than `COUNTED` and one are counted; the key of the `last` one.
    """

    objects: list[bytes]
    remaining: int = 0
    last: int | None = None


def is_searchable(models: Sequence[Model], name: str) -> bool:
    """Whether objects of the models are found by what is called so."""
    try:
        path = path_of(name)
    except HealixError:
        return False
    return path.vr != "" and any(path.tags[0] in model.attributes for model in models)


def parse(models: Sequence[Model], params: Sequence[tuple[str, str]]) -> Query:
    """A search from query parameters: attributes by keyword or tag, includefield, limit, offset, fuzzymatching.

    Raises Invalid for what is malformed, unknown, or there twice.
    """
    keys: list[tuple[Path, str]] = []
    include: set[str] = set()
    limit, offset, fuzzy, every = LIMIT, 0, False, False
    for name, value in params:
        if name == "limit":
            limit = min(whole(name, value), LIMIT)
        elif name == "offset":
            offset = whole(name, value)
        elif name == "fuzzymatching":
            if value.lower() not in ("true", "false"):
                raise invalid("fuzzymatching must be true or false", code="value")
            fuzzy = value.lower() == "true"
        elif name == "includefield":
            every = every or "all" in value.split(",")
            include |= {path_of(field).tags[0] for field in value.split(",") if field not in ("", "all")}
        else:
            keys.append((path_of(name), value))
    if len(include) > MOST_FIELDS:
        raise invalid(f"a search may ask for at most {MOST_FIELDS} further fields", code="too-costly")
    if len({path.key for path, _ in keys}) < len(keys):
        raise invalid("an attribute is given more than once", code="structure")
    return query(models, keys, include, every=every, fuzzy=fuzzy, limit=limit, offset=offset)


def query(
    models: Sequence[Model],
    keys: Sequence[tuple[Path, str]],
    include: Collection[str] = (),
    *,
    every: bool = False,
    fuzzy: bool = False,
    limit: int = LIMIT,
    offset: int = 0,
) -> Query:
    """A search of objects of the models. Raises Invalid for values that are malformed for their attributes."""
    classes = frozenset(uid for model in models for uid in model.classes)
    returned = frozenset(tag for model in models for tag in model.attributes) | {*include}
    made = Query(classes, tuple(_moments_joined(keys)), returned, every, fuzzy, limit, offset)
    _ = made.conditions  # a malformed value is refused before anything is asked
    return made


def _moments_joined(keys: Sequence[tuple[Path, str]]) -> list[tuple[Path, str]]:
    """The keys; a range of days and one of times, where each end that has a time has a day, are one of moments.

    Spec: PS3.4 Table HH.6-1, Instance Creation Time (2024d)
    """
    by_path = {path.key: value.strip() for path, value in keys}
    days, times = by_path.get(DATE, ""), by_path.get(TIME, "")
    if "-" not in days or "-" not in times:
        return list(keys)
    first, _, last = days.partition("-")
    begin, _, end = times.partition("-")
    if (begin and not first) or (end and not last):
        return list(keys)
    others = [(path, value) for path, value in keys if path.key not in (DATE, TIME)]
    return [*others, (Path((CREATION,), "DT", "InstanceCreationDate"), f"{first}{begin}-{last}{end}")]


def search(access: AccessContext, query: Query, where: Mapping[str, str]) -> Work[Matches]:
    """The matches in the order in which they came; one statement, and one for the audit row; one more to count those
    that remain.

    `where` has the address under which objects are, by SOP class; each match tells its own. Raises Forbidden.
    """
    require(access, Permission.SEARCH)
    rows = yield _matching(query, query.limit + 1)
    remaining = (yield _counted(query))[0][0] if len(rows) > query.limit else 0
    yield _audited(access, query)
    return Matches([_told(query, row, where) for row in rows[: query.limit]], remaining)


def page(access: AccessContext, query: Query, after: int | None = None) -> Work[Matches]:
    """The matches that follow the one with the key `after`, at most the limit of `query`; those of C-FIND."""
    require(access, Permission.SEARCH)
    rows = yield _matching(query, query.limit, Fragment("w.pk > %s", (after or 0,)))
    if after is None:
        yield _audited(access, query)
    last = rows[-1][0] if len(rows) == query.limit else None
    return Matches([_told(query, row, {}) for row in rows], last=last)


def _matching(query: Query, limit: int, *beyond: Fragment) -> Statement:
    found = all_of([*query.conditions, *beyond])
    return Statement(
        f"{_AS_WORKITEMS} SELECT w.pk, w.instance_uid, w.sop_class_uid, w.metadata FROM non_patient_instance w"
        f" WHERE {found.sql} ORDER BY w.pk LIMIT %s OFFSET %s",
        (*found.params, limit, query.offset),
        prepare=False,
    )


def _counted(query: Query) -> Statement:
    found = all_of(query.conditions)
    return Statement(
        f"{_AS_WORKITEMS} SELECT count(*) FROM (SELECT FROM non_patient_instance w WHERE {found.sql}"
        " LIMIT %s OFFSET %s) m",
        (*found.params, COUNTED + 1, query.offset + query.limit),
        prepare=False,
    )


def _audited(access: AccessContext, query: Query) -> Statement:
    asked = "&".join(f"{path.name}={value}" for path, value in query.keys).replace("\0", "")
    return record([AuditRow(access.origin, "E", WORD, query=asked)])


def _told(query: Query, row: Row, where: Mapping[str, str]) -> bytes:
    _, uid, sop_class, packed = row
    url = f"{where[sop_class]}/{uid}" if sop_class in where else ""
    encoded = absolute(zstandard.ZstdDecompressor().decompress(packed), f"{url}/")
    members = msgspec.json.decode(encoded, type=dict[str, msgspec.Raw])
    told = {tag: member for tag, member in members.items() if query.every or tag in query.returned}
    if url:
        told[RETRIEVE_URL] = msgspec.Raw(msgspec.json.encode({"vr": "UR", "Value": [url]}))
    return msgspec.json.encode(dict(sorted(told.items())))
