"""Searching the worklist: the one service behind UPS-RS and C-FIND.

Spec: PS3.18 11.9 and 8.3.4, PS3.4 CC.2.8 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from dicomweb.index.naming import is_creator
from dicomweb.whole import whole
from dicomweb.workitem.attributes import RETURNED
from dicomweb.workitem.keys import part
from dicomweb.workitem.matching import Path, conditions, path_of
from dicomweb.workitem.rows import visible
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.conditions import all_of
from healix_fhir.kernel.database import Fragment, Row, Statement, Work
from healix_fhir.kernel.errors import invalid
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

LIMIT = 1000
"""The most matches of one answer, also when more are asked for."""
COUNTED = 100
MOST_FIELDS = 200


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed search: `keys` are matched where they have a value, and returned with `include`; `every`: all is."""

    keys: tuple[tuple[Path, str], ...] = ()
    include: tuple[Path, ...] = ()
    every: bool = False
    fuzzy: bool = False
    limit: int = LIMIT
    offset: int = 0

    @property
    def conditions(self) -> list[Fragment]:
        """What it asks of the rows `w`."""
        return conditions(self.keys, fuzzy=self.fuzzy)


@dataclass(frozen=True, slots=True)
class Matches:
    """The result: one DICOM JSON object (encoded) for each match; `remaining`: how many matches are after the limit,
    of which no more than `COUNTED` and one are counted.
    """

    objects: list[bytes]
    remaining: int


STEERING = frozenset({"limit", "offset", "fuzzymatching", "includefield"})
"""The parameters that are no attributes."""


def parse(params: Sequence[tuple[str, str]]) -> Query:
    """A search from query parameters: attributes by keyword or tag, includefield, limit, offset, fuzzymatching. Who
    names a private attribute by its tag, names the creator of its block as the value of the tag that reserves it.

    Raises Invalid for what is malformed or unknown: a key that is ignored would answer with other people's work.
    """
    keys: list[tuple[Path, str]] = []
    include: list[Path] = []
    creators = {name.upper(): value for name, value in params if is_creator(name)}
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
            include += [path_of(field, creators) for field in value.split(",") if field not in ("", "all")]
        elif not is_creator(name):
            keys.append((path_of(name, creators), value))
    if len(include) > MOST_FIELDS:
        raise invalid(f"a search may ask for at most {MOST_FIELDS} further fields", code="too-costly")
    query = Query(tuple(keys), tuple(include), every, fuzzy, limit, offset)
    _ = query.conditions  # a malformed value is refused before anything is asked
    return query


Place = tuple[str, int]
"""Where a match stands in the list: when the step is to begin, and its key."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some matches as whole data sets, and the place of the last one if more may follow."""

    objects: list[bytes]
    last: Place | None


def search(access: AccessContext, query: Query) -> Work[Matches]:
    """Run a search as far as `access` may see, in the order in which the steps are to begin.

    One statement, and one for the audit rows of each patient shown; one more to count those that remain.
    """
    rows = yield _matching(access, query, query.limit + 1)
    shown = rows[: query.limit]
    remaining = (yield _counted(access, query))[0][0] if len(rows) > query.limit else 0
    yield _audited(access, query, shown)
    returned = RETURNED | {path.tags[0] for path, _ in query.keys} | {path.tags[0] for path in query.include}
    objects = [bytes(row[1]) if query.every else _part(row[1], returned) for row in shown]
    return Matches(objects, remaining)


def page(access: AccessContext, query: Query, after: Place | None = None) -> Work[Page]:
    """The matches that follow a place, at most the limit of `query`; those of C-FIND, which have no end."""
    beyond = [] if after is None else [Fragment("(w.scheduled, w.pk) > (%s, %s)", after)]
    rows = yield _matching(access, query, query.limit, *beyond)
    if rows or after is None:
        yield _audited(access, query, rows)
    last = tuple(rows[-1][2:]) if len(rows) == query.limit else None
    return Page([bytes(row[1]) for row in rows], last)


def _matching(access: AccessContext, query: Query, limit: int, *beyond: Fragment) -> Statement:
    found = _found(access, query, *beyond)
    return Statement(
        "SELECT k.id, w.dataset, w.scheduled, w.pk FROM workitem w LEFT JOIN patient_key k ON k.pat = w.pat"
        f" WHERE {found.sql} ORDER BY w.scheduled, w.pk LIMIT %s OFFSET %s",
        (*found.params, limit, query.offset),
        prepare=False,
    )


def _counted(access: AccessContext, query: Query) -> Statement:
    found = _found(access, query)
    return Statement(
        f"SELECT count(*) FROM (SELECT FROM workitem w WHERE {found.sql} LIMIT %s OFFSET %s) m",
        (*found.params, COUNTED + 1, query.offset + query.limit),
        prepare=False,
    )


def _found(access: AccessContext, query: Query, *beyond: Fragment) -> Fragment:
    """What the rows `w` are that match, as far as `access` may see."""
    parts = [Fragment("w.dataset IS NOT NULL"), visible(access, Permission.SEARCH), *query.conditions, *beyond]
    return all_of(parts)


def _audited(access: AccessContext, query: Query, shown: Sequence[Row]) -> Statement:
    asked = "&".join(f"{path.name}={value}" for path, value in query.keys).replace("\0", "")
    patients = dict.fromkeys(row[0] for row in shown if row[0] is not None)
    return record(
        [AuditRow(access.origin, "E", "query-workitem", patient=one, query=asked) for one in patients or (None,)]
    )


def _part(dataset: bytes, returned: frozenset[str]) -> bytes:
    members: Mapping[str, Any] = msgspec.json.decode(dataset, type=dict[str, msgspec.Raw])
    tags = returned if not any("[" in one for one in returned) else returned | _private(dataset, returned)
    return msgspec.json.encode({tag: member for tag, member in members.items() if tag in tags})


def _private(dataset: bytes, returned: frozenset[str]) -> frozenset[str]:
    """The tags of private attributes in an item, and of the elements that reserve their blocks."""
    members = msgspec.json.decode(dataset)
    found = [tag for tag in members if part(members, tag) in returned]
    return frozenset(found) | {f"{tag[:4]}00{tag[4:6]}" for tag in found if int(tag[:4], 16) & 1}
