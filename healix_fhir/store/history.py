"""The past of a resource, of a type, or of the whole server: versions, newest first, within the caller's access.

A version is shown to who sees the resource now and was in reach of that version's first patient
(docs/decisions/0020-writes-and-reads.md). Versions are ordered by the time they were made and the surrogate key of
their resource; no resource has two versions of one time, so that the order is total and does not change when newer
versions are made: a page goes on behind the last row of the one before.

Who sees all of a type reads its versions in the order of two indexes, and no further than the page. Whose sight is
bound to patients reads what is in their compartments, which an index gives, and sorts that, if it is little; of much,
the versions are read in order as well, those in sight picked out. The statement decides when it runs.

Where queries of scopes decide, earlier versions are looked at one by one, since the index knows nothing of them;
nothing is counted then.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
from msgspec import structs

from healix_fhir.kernel.arrays import int2
from healix_fhir.kernel.conditions import all_of
from healix_fhir.kernel.database import Fragment, Row, Statement, Work
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME, search_parameters
from healix_fhir.store.body import unpack
from healix_fhir.store.read import JUDGED, UNKNOWN, shown
from healix_fhir.store.stored import Stored, Version
from smart_auth.access import EVERYTHING, NOTHING, AccessContext
from smart_auth.scope import Permission

COUNTED = 10_000
"""Totals are counted up to here; for more there is none."""
LISTED = 1000
"""So many resources in sight are sorted by their versions; of more, nothing is counted."""


NO_ROWS = Fragment(
    "SELECT NULL::timestamptz AS updated, NULL::bigint AS pk, 0 AS version, true AS current, NULL::boolean[] AS reached"
    " WHERE FALSE"
)


class Past(msgspec.Struct, frozen=True):
    """What is asked for: the versions of resources of `types` (of the one with `id`, or of the items of the List
    `listed`) made from `since` to before `before`, and current at some time from `at` to before `until`.

    `permission` is the one that opens them. `after` is the last row of the page before: its time and surrogate key.
    """

    types: tuple[str, ...]
    permission: Permission
    id: str | None = None
    listed: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    at: datetime | None = None
    until: datetime | None = None
    after: tuple[datetime, int] | None = None


class Versions(msgspec.Struct, frozen=True):
    """A page, the place of each of its versions, and how many there are in all (None: more than are counted)."""

    page: list[Version]
    places: list[tuple[datetime, int]]
    total: int | None


def versions(access: AccessContext, past: Past, limit: int) -> Work[Versions]:
    """Up to `limit` versions of those asked for, in one statement; more of them only where queries of scopes decide."""
    if not any(access.bounded(name, past.permission) for name in past.types):
        rows = yield _statement(_sources(access, past), past, limit)
        total = rows[0][0]
        found = [row for row in rows if row[1] is not None]
        return _page(found, None if total is None or total > COUNTED else total)
    found, step = [], limit
    while len(found) < limit:
        rows = yield _statement(_sources(access, past), past, step)
        some = [row for row in rows if row[1] is not None]
        found += [row for row in some if shown(access, past.permission, _version(row).stored, row[-1])]
        if len(some) < step:
            break
        past = structs.replace(past, after=_place(some[-1]))
        step = min(2 * step, LISTED)
    return _page(found[:limit], None)


def _page(rows: Sequence[Row], total: int | None) -> Versions:
    return Versions([_version(row) for row in rows], [_place(row) for row in rows], total)


def _place(row: Row) -> tuple[datetime, int]:
    return row[5], row[1]


def _version(row: Sequence[object]) -> Version:
    _, _, type_id, id_, version, updated, method, body, packed, _ = row
    assert isinstance(type_id, int)
    assert isinstance(version, int)
    assert isinstance(updated, datetime)
    assert isinstance(body, bytes)
    bytes_ = unpack(body) if packed else body
    return Version(Stored(TYPE_NAME[type_id], str(id_), version, updated, bytes_), str(method))


class Source(msgspec.Struct, frozen=True):
    """Rows of current versions (alias `r`) and of earlier ones (alias `h`): FROM clauses and conditions.

    `ordered` sources are read in order for each of `types` by itself. `with_` is a table expression that they need.
    `whole` is the condition that a list has all that is in sight, None where nothing is listed; `counted` sources
    have all rows then. `reached` tells of earlier versions what `AccessContext.shows` asks for.
    """

    current: Fragment | None
    earlier: Fragment | None
    types: tuple[int, ...] = ()
    with_: Fragment | None = None
    ordered: bool = False
    whole: Fragment | None = None
    counted: bool = True
    reached: Fragment = UNKNOWN


_PAGE = """
SELECT w.total, v.* FROM (SELECT {total} AS total) w LEFT JOIN (
  SELECT p.pk, v.*, p.reached FROM page p CROSS JOIN LATERAL (
    SELECT r.type, r.id, r.version, r.updated, r.method, r.body, false AS packed
    FROM resource r WHERE r.pk = p.pk AND p.current
    UNION ALL
    SELECT h.type, h.id, h.version, h.updated, h.method, h.body, true
    FROM resource r JOIN resource_history h ON h.type = r.type AND h.id = r.id AND h.version = p.version
    WHERE r.pk = p.pk AND NOT p.current) v) v ON true
ORDER BY v.updated DESC, v.pk DESC"""


def _statement(sources: Sequence[Source], past: Past, limit: int) -> Statement:
    """Rows of (total, pk, type, id, version, updated, method, body, packed, reached); pk is null on an empty page.

    It is never prepared: limits and times need a plan for their actual values.
    """
    withs = [source.with_ for source in sources if source.with_ is not None]
    arms = [arm for source in sources for arm in _arms(source, past, limit)]
    page = _union(arms)
    counted = _union([arm for source in sources if source.counted for arm in _counted(source, past)])
    tables = [*withs, Fragment(
        f"page AS MATERIALIZED (SELECT DISTINCT u.* FROM ({page.sql}) u ORDER BY u.updated DESC, u.pk DESC LIMIT %s)",
        (*page.params, limit),
    )]  # fmt: skip
    whole = " AND ".join(source.whole.sql for source in sources if source.whole is not None) or "TRUE"
    total = Fragment(
        f"CASE WHEN {whole} THEN (SELECT count(*) FROM (SELECT FROM ({counted.sql}) c LIMIT %s) c) END",
        (*counted.params, COUNTED + 1),
    )
    sql = "WITH " + ",\n".join(table.sql for table in tables) + _PAGE.format(total=total.sql)
    return Statement(sql, (*(value for table in tables for value in table.params), *total.params), prepare=False)


def _union(arms: Sequence[Fragment]) -> Fragment:
    if not arms:
        return NO_ROWS
    return Fragment(
        "\nUNION ALL\n".join(f"({arm.sql})" for arm in arms), tuple(value for arm in arms for value in arm.params)
    )


def _arms(source: Source, past: Past, limit: int) -> Iterator[Fragment]:
    """The first rows of a source, current and earlier versions each in order and limited."""
    for rows, alias, pk, current in ((source.current, "r", "r.pk", "true"), (source.earlier, "h", "h.pk", "false")):
        if rows is None:
            continue
        when = _when(past, alias)
        reached = JUDGED if rows is source.current else source.reached
        after = Fragment(f"({alias}.updated, {pk}) < (%s, %s)", past.after) if past.after else EVERYTHING
        arm = Fragment(
            f"SELECT {alias}.updated, {pk}, {alias}.version, {current} AS current, {reached.sql} AS reached"
            f" FROM {rows.sql} AND {when.sql} AND {after.sql} ORDER BY {alias}.updated DESC, {pk} DESC LIMIT %s",
            (*reached.params, *rows.params, *when.params, *after.params, limit),
        )
        if source.ordered:
            arm = Fragment(
                f"SELECT x.* FROM unnest(%s::smallint[]) AS t (type) CROSS JOIN LATERAL ({arm.sql}) x",
                (int2(source.types), *arm.params),
            )
        yield arm


def _counted(source: Source, past: Past) -> Iterator[Fragment]:
    """All rows of a source, for counting."""
    for rows, alias in ((source.current, "r"), (source.earlier, "h")):
        if rows is None:
            continue
        when = _when(past, alias)
        among = "unnest(%s::smallint[]) AS t (type) CROSS JOIN LATERAL " if source.ordered else ""
        inner = Fragment(f"SELECT FROM {rows.sql} AND {when.sql}", (*rows.params, *when.params))
        if among:
            inner = Fragment(
                f"SELECT FROM {among}({inner.sql} LIMIT %s) x", (int2(source.types), *inner.params, COUNTED + 1)
            )
        yield inner


def _when(past: Past, alias: str) -> Fragment:
    """The condition on the time of a version; a current one is current until now."""
    conditions = [
        (f"{alias}.updated >= %s", past.since),
        (f"{alias}.updated < %s", past.before),
        (f"{alias}.updated < %s", past.until),
        (f"{alias}.until > %s", past.at if alias == "h" else None),
    ]
    asked = [(sql, value) for sql, value in conditions if value is not None]
    return Fragment(" AND ".join(sql for sql, _ in asked) or "TRUE", tuple(value for _, value in asked))


def _sources(access: AccessContext, past: Past) -> list[Source]:
    """What the caller may see of the types asked for: all of some, of others what is in some patients' compartments."""
    by_predicate: dict[tuple[Fragment, str], list[str]] = defaultdict(list)
    for name in past.types:
        predicate = access.predicate(name, past.permission, "r")
        if predicate != NOTHING:
            alone = name if access.bounded(name, past.permission) else ""
            by_predicate[predicate, alone].append(name)
    bound = past.id is not None or past.listed is not None
    sources: list[Source] = []
    for number, ((predicate, alone), names) in enumerate(by_predicate.items()):
        types = tuple(TYPE_ID[name] for name in names)
        if predicate == EVERYTHING and not bound:
            current = Fragment("resource r WHERE r.type = t.type")
            sources.append(Source(current, Fragment("resource_history h WHERE h.type = t.type"), types, ordered=True))
            continue
        seen = _seen(access, past, names, predicate)
        whole = EVERYTHING if bound else Fragment(f"(SELECT count(*) <= {LISTED} FROM seen{number})")
        then = access.earlier(names[0], past.permission, "h")
        sources.append(
            Source(
                Fragment(f"seen{number} r WHERE {whole.sql}"),
                Fragment(
                    f"seen{number} r JOIN resource_history h ON h.type = r.type AND h.id = r.id"
                    f" WHERE {whole.sql} AND {then.sql}",
                    then.params,
                ),
                types,
                Fragment(f"seen{number} AS MATERIALIZED ({seen.sql})", seen.params),
                whole=whole,
                reached=access.reached(names[0], past.permission, "h.pat") if alone else UNKNOWN,
            )
        )
        if not bound:
            sources += _in_order(access, past, names[0], types, whole)
    return sources


def _in_order(
    access: AccessContext, past: Past, name: str, types: tuple[int, ...], whole: Fragment
) -> Iterator[Source]:
    """What is in sight where it is too much to be listed: picked out of all versions, in their order.

    A resource with two patients in sight comes twice.
    """
    first = access.reach(name, past.permission, "r.pat")
    further = access.reach(name, past.permission, "c.pat")
    then = access.earlier(name, past.permission, "h")
    now = access.predicate(name, past.permission, "r")
    bounded = access.bounded(name, past.permission)
    visible = all_of(access.shown(name, past.permission, "r"))
    also = Fragment(f"r.pk IN (SELECT c.pk FROM compartment c WHERE {further.sql})", further.params)
    for found in (first, also) if access.may_be_of_several(name) else (first,):
        seen = all_of([found, now if bounded else visible])
        current = Fragment(f"resource r WHERE NOT {whole.sql} AND r.type = t.type AND {seen.sql}", seen.params)
        yield Source(current, None, types, ordered=True, counted=False)
    earlier = Fragment(
        f"resource_history h JOIN resource r ON r.pk = h.pk"
        f" WHERE NOT {whole.sql} AND h.type = t.type AND {then.sql} AND {now.sql}",
        (*then.params, *now.params),
    )
    reached = access.reached(name, past.permission, "h.pat") if bounded else UNKNOWN
    yield Source(None, earlier, types, ordered=True, counted=False, reached=reached)


_COLUMNS = "r.pk, r.type, r.id, r.version, r.updated"


def _seen(access: AccessContext, past: Past, names: Sequence[str], predicate: Fragment) -> Fragment:
    """The resources of some types whose past the caller may see, found by an index: by id, list or compartments."""
    types = int2(TYPE_ID[name] for name in names)
    seen = Fragment(f"r.type = ANY(%s::smallint[]) AND {predicate.sql}", (types, *predicate.params))
    if past.id is not None:
        return Fragment(f"SELECT {_COLUMNS} FROM resource r WHERE r.id = %s AND {seen.sql}", (past.id, *seen.params))
    if past.listed is not None:
        listed = access.predicate("List", past.permission, "l")
        return Fragment(
            f"""SELECT DISTINCT {_COLUMNS} FROM resource l JOIN index_reference f ON f.pk = l.pk AND f.param = %s
                JOIN resource r ON r.type = f.target_type AND r.id = f.target
                WHERE l.type = %s AND l.id = %s AND NOT l.deleted AND {listed.sql} AND {seen.sql}""",
            (search_parameters("List")["item"].id, TYPE_ID["List"], past.listed, *listed.params, *seen.params),
        )
    first = access.reach(names[0], past.permission, "r.pat")
    found = Fragment(
        f"(SELECT {_COLUMNS} FROM resource r WHERE {first.sql} AND {seen.sql} LIMIT %s)",
        (*first.params, *seen.params, LISTED + 1),
    )
    if not any(map(access.may_be_of_several, names)):
        return found
    further = access.reach(names[0], past.permission, "c.pat")
    return Fragment(
        f"""{found.sql}
            UNION
            (SELECT {_COLUMNS} FROM compartment c JOIN resource r ON r.pk = c.pk
             WHERE {further.sql} AND {seen.sql} LIMIT %s)""",
        (*found.params, *further.params, *seen.params, LISTED + 1),
    )
