"""The one statement that reads a page of matches, and their number where it is asked for.

Array predicates and limits need a plan for the actual values: the statement is never prepared (`prepare=False`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from healix_fhir.kernel.database import Fragment, Statement
from healix_fhir.kernel.errors import invalid
from healix_fhir.search.alias import Phase, Row
from healix_fhir.search.fragments import EVERYTHING, NOTHING, all_of, any_of, strung, union_all
from healix_fhir.search.inside import inside_key
from healix_fhir.search.keyset import Keyset
from healix_fhir.search.lower import lower, needs_resource
from healix_fhir.search.nodes import Visible
from healix_fhir.search.order import By, Key
from healix_fhir.search.plan import Arm, Plan
from healix_fhir.search.result import Total
from healix_fhir.search.source import Source
from smart_auth.access import AccessContext
from smart_auth.care_list import is_listed

CEILING = "(SELECT last_value FROM resource_pk)"
COLUMNS = "r.pk, r.type, r.id, r.version, r.updated, r.body"
BOUND = 65_535
"""PostgreSQL's protocol takes no more values in one statement."""
EVERY = 2**62
"""A limit that cuts nothing off."""
CONTAINED = """(SELECT pk, type, id, version, updated, body FROM resource UNION ALL
 SELECT c.pk, o.type, o.id || '#' || c.id, o.version, o.updated, c.body
 FROM index_contained c JOIN resource o ON o.pk = c.container)"""
"""All resources, and contained ones by their place in the container."""
ROUGHLY = 10_000
"""An estimate counts so many matches exactly."""
LOOK_UP = "SELECT"
"""What tells that a condition looks at other rows."""
JOINS = ("IN (SELECT", "EXISTS (SELECT")
"""What PostgreSQL makes joins of."""
DATED = {Phase.DATED: Fragment("t.d IS NOT NULL"), Phase.UNDATED: Fragment("t.d IS NULL"), Phase.ANY: EVERYTHING}


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read: the plan, from where in which order, how many rows (0: none), what to count.

    `ceiling` is the highest surrogate key that counts, None for the first page.
    """

    plan: Plan
    keyset: Keyset
    access: AccessContext
    limit: int
    total: Total
    ceiling: int | None = None


def page_statement(reading: Reading) -> Statement:
    """Rows of (total, ceiling, phase, *keys as text, pk, type, id, version, updated, body); pk is null when empty.

    Raises Invalid for a search of more values than one statement takes.
    """
    total = _total(reading)
    lists = [Fragment(f"{name} AS MATERIALIZED ({rows.sql})", rows.params) for name, rows in reading.plan.lists.members]
    page = _page(reading)
    members = strung(",\n", [*lists, Fragment(f"page AS ({page.sql})", page.params)])
    numbers = range(1, len(reading.keyset.keys) + 1)
    keys = ", ".join(f"p.k{n}, p.k{n}::text AS t{n}" for n in numbers)
    resources = CONTAINED if any(arm.source.contained for arm in reading.plan.arms) else "resource"
    shown = ", ".join(f"m.t{n}" for n in numbers)
    sql = f"""WITH {members.sql}
SELECT w.total, w.ceiling, m.phase, {shown}, m.pk, m.type, m.id, m.version, m.updated, m.body
FROM (SELECT {total.sql} AS total, {CEILING} AS ceiling) w
LEFT JOIN (SELECT p.phase, {keys}, {COLUMNS} FROM page p JOIN {resources} r ON r.pk = p.pk) m ON TRUE
ORDER BY {reading.keyset.order_by("m", phase=True)}"""
    params = (*members.params, *total.params)
    if len(params) > BOUND:
        raise invalid("the search compares too many values: ask for fewer at once", code="too-costly")
    return Statement(sql, params, prepare=False)


def _page(reading: Reading) -> Fragment:
    """The keys of the page: the arms, each in order and limited, brought together."""
    arms = [arm for arm in (_arm(reading, one) for one in reading.plan.arms) if arm != NOTHING]
    if not reading.limit or not arms:
        keys = ", ".join(f"NULL::{key.type} AS k{n}" for n, key in enumerate(reading.keyset.keys, start=1))
        return Fragment(f"SELECT NULL::bigint AS pk, 0 AS phase, {keys} WHERE FALSE")
    if len(arms) == 1:
        return arms[0]
    union = union_all(arms)
    return Fragment(
        f"SELECT {'DISTINCT ' if _repeats(reading.plan.arms) else ''}{_columns(reading, 'u')} FROM ({union.sql}) u"
        f" ORDER BY {reading.keyset.order_by('u', phase=True)} LIMIT %s",
        (*union.params, reading.limit),
    )


def _columns(reading: Reading, alias: str) -> str:
    keys = [f"{alias}.k{n}" for n in range(1, len(reading.keyset.keys) + 1)]
    return ", ".join([f"{alias}.pk", f"{alias}.phase", *keys])


def _repeats(arms: Sequence[Arm]) -> bool:
    """Whether two rows of the arms may be the same resource. Arms read if the lists are whole stand by themselves."""
    read: list[tuple[Source, Fragment]] = []
    read.extend(pair for arm in arms if not arm.whole and (pair := (arm.source, arm.pin)) not in read)
    return len(read) > 1 or any(arm.source.repeats for arm in arms)


def _arm(reading: Reading, arm: Arm) -> Fragment:
    """The rows of an arm behind the place to go on from, in order and limited."""
    if arm.phase is not None and arm.phase not in reading.keyset.phases:
        return NOTHING
    near, far = _filters(arm, reading.access)
    source, filters = all_of([_source_condition(reading, arm), near]), far
    if NOTHING in (source, filters):
        return NOTHING
    rows = (
        _fenced(reading, arm, source, filters)
        if _to_fence(reading, arm, filters)
        else _open(reading, arm, source, filters)
    )
    return _each_type(reading, arm, rows)


def _keys(reading: Reading, arm: Arm) -> Fragment:
    """The sort keys of a row of an arm, as columns."""
    row = _row(arm)
    values = [_value(key, row, arm) for key in reading.keyset.order.keys]
    if arm.source.first:
        values[0] = Fragment(arm.source.first)
    return strung(", ", [Fragment(f"{v.sql} AS k{n}", v.params) for n, v in enumerate(values, start=1)])


def _open(reading: Reading, arm: Arm, source: Fragment, filters: Fragment) -> Fragment:
    """The rows of an arm; PostgreSQL may look at its conditions in any order."""
    keys, condition = _keys(reading, arm), all_of([source, filters])
    tables = _tables(arm, by_key=_by_key(reading))
    inner = Fragment(f"SELECT t.pk, {keys.sql} FROM {tables} WHERE {condition.sql}", (*keys.params, *condition.params))
    behind = _behind(reading.keyset, arm)
    order = reading.keyset.order_by("f")
    if arm.phase is None:
        order = f"2{' DESC' if reading.keyset.backward else ''}, {order}"
    return Fragment(
        f"SELECT {_arm_columns(reading, arm, 'f')} FROM ({inner.sql}) f WHERE {behind.sql} ORDER BY {order} LIMIT %s",
        (*inner.params, *behind.params, reading.limit),
    )


def _fenced(reading: Reading, arm: Arm, source: Fragment, filters: Fragment) -> Fragment:
    """The rows of an arm, filtered only when they are known to be visible.

    PostgreSQL turns `pat IN (SELECT ...)` into a join, and looks up everything that filters ask of a row before it
    joins: for whoever sees one patient in ten, ten times as much as there is to see. It moves nothing into a subquery
    with a limit, and of one it also considers plans that begin at once.
    """
    keys, behind = _keys(reading, arm), _behind(reading.keyset, arm)
    visible = Fragment(
        f"SELECT f.* FROM (SELECT t.*, {keys.sql} FROM {arm.source.tables} WHERE {source.sql}) f WHERE {behind.sql}"
        f" ORDER BY {reading.keyset.order_by('f')} LIMIT {EVERY}",
        (*keys.params, *source.params, *behind.params),
    )
    joined = "" if arm.source.whole else " JOIN resource r ON r.pk = t.pk"
    return Fragment(
        f"SELECT {_arm_columns(reading, arm, 't')} FROM ({visible.sql}) t{joined} WHERE {filters.sql}"
        f" ORDER BY {reading.keyset.order_by('t')} LIMIT %s",
        (*visible.params, *filters.params, reading.limit),
    )


def _to_fence(reading: Reading, arm: Arm, filters: Fragment) -> bool:
    """Whether the filters of an arm look up much that its source tells to be invisible."""
    known = arm.source.whole or not _by_key(reading)
    pin = arm.pin.sql.replace(is_listed("t.pat").sql, "")
    joins = any(words in pin for words in JOINS)
    return arm.each and known and joins and arm.phase is not None and filters != EVERYTHING


def _by_key(reading: Reading) -> bool:
    """Whether a sort key may look at the resource itself."""
    return any(key.by is not By.DATE for key in reading.keyset.order.keys)


def _arm_columns(reading: Reading, arm: Arm, alias: str) -> str:
    phase = f"{arm.phase}" if arm.phase is not None else f"({alias}.k1 IS NULL)::int"
    keys = (f"{alias}.k{n}" for n in range(1, len(reading.keyset.keys) + 1))
    return f"{'DISTINCT ' if arm.source.repeats else ''}" + ", ".join([f"{alias}.pk", f"{phase} AS phase", *keys])


def _value(key: Key, row: Row, arm: Arm) -> Fragment:
    if not arm.source.contained:
        return key.value(row.keys, row.resource)
    return inside_key(key).value(row.keys, "o" if key.by is By.UPDATED else row.resource)


def _each_type(reading: Reading, arm: Arm, rows: Fragment) -> Fragment:
    """`rows` asked for each type of the source, where it has several, or for each row of a list."""
    if not arm.source.types and not arm.source.each:
        return rows
    each = (
        Fragment(f"{arm.source.each} y")
        if arm.source.each
        else Fragment("unnest(%s::smallint[]) y(type)", (list(arm.source.types),))
    )
    return Fragment(
        f"SELECT {'DISTINCT ' if arm.source.each else ''}{_columns(reading, 'a')}"
        f" FROM {each.sql} CROSS JOIN LATERAL ({rows.sql}) a"
        f" ORDER BY {reading.keyset.order_by('a', phase=True)} LIMIT %s",
        (*each.params, *rows.params, reading.limit),
    )


def _behind(keyset: Keyset, arm: Arm) -> Fragment:
    if arm.phase is not None or keyset.after is None:
        return keyset.behind("f", arm.phase or 0)
    either = [
        all_of([Fragment("f.k1 IS NULL" if phase else "f.k1 IS NOT NULL"), keyset.behind("f", phase)])
        for phase in keyset.phases
    ]
    return any_of(either)


def _row(arm: Arm) -> Row:
    return Row("t", "t" if arm.source.whole else "r", arm.source.spans, arm.dated, arm.each)


def _tables(arm: Arm, *, by_key: bool) -> str:
    """The tables of an arm: the resource itself only where a filter, or a sort key, looks at it."""
    filtered = any(needs_resource(node, spans=arm.source.spans) for node in arm.filters)
    if arm.source.whole or not (filtered or by_key):
        return arm.source.tables
    return f"{arm.source.tables} JOIN resource r ON r.pk = t.pk"


def _source_condition(reading: Reading, arm: Arm) -> Fragment:
    """What an index tells of every row of an arm, wherever the page begins."""
    made = "t.container" if arm.source.contained else "t.pk"  # a contained one is made anew with each version
    ceiling = EVERYTHING if reading.ceiling is None else Fragment(f"{made} <= %s", (reading.ceiling,))
    gate = EVERYTHING
    if arm.whole is not None:
        whole = reading.plan.lists.whole
        gate = whole if arm.whole else Fragment(f"NOT {whole.sql}", whole.params)
    return all_of([gate, arm.gate, arm.source.condition, arm.pin, DATED[arm.dated], ceiling])


def _filters(arm: Arm, access: AccessContext) -> tuple[Fragment, Fragment]:
    """What else every row of an arm fulfils: what the row of its source tells, and what must be looked up."""
    row = _row(arm)
    near: list[Fragment] = []
    far: list[Fragment] = []
    for n, node in enumerate(arm.filters):
        if isinstance(node, Visible) and node in arm.filters[:n]:
            continue
        found = lower(node, row, access)
        known = arm.source.whole or not needs_resource(node, spans=arm.source.spans)
        (near if known and LOOK_UP not in found.sql else far).append(found)
    return all_of(near), all_of(far)


def _total(reading: Reading) -> Fragment:
    """The number of matches, as a scalar subquery."""
    if reading.total is Total.NONE:
        return Fragment("NULL::bigint")
    found = matches(reading)
    if found == NOTHING:
        return Fragment("0::bigint")
    if reading.total is Total.ESTIMATE:
        return Fragment(
            f"(SELECT count(*) FROM (SELECT FROM ({found.sql}) m LIMIT %s) n)", (*found.params, ROUGHLY + 1)
        )
    return Fragment(f"(SELECT count(*) FROM ({found.sql}) n)", found.params)


def matches(reading: Reading) -> Fragment:
    """The surrogate keys of all matches, each once; NOTHING if there can be none."""
    arms = [arm for arm in (_count_arm(reading, one) for one in reading.plan.counted) if arm != NOTHING]
    if not arms:
        return NOTHING
    return strung(" UNION " if _repeats(reading.plan.counted) else " UNION ALL ", arms)


def _count_arm(reading: Reading, arm: Arm) -> Fragment:
    condition = all_of([_source_condition(reading, arm), *_filters(arm, reading.access.joining())])
    if condition == NOTHING:
        return NOTHING
    each = f"{arm.source.each} y CROSS JOIN " if arm.source.each else ""
    return Fragment(
        f"SELECT {'DISTINCT ' if arm.source.repeats else ''}t.pk FROM {each}{_tables(arm, by_key=False)}"
        f" WHERE {condition.sql}",
        condition.params,
    )
