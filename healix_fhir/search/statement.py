"""The one statement that reads a page of matches, and their number where it is asked for.

Array predicates and limits need a plan for the actual values: the statement is never prepared (`prepare=False`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from healix_fhir.kernel.database import Fragment, Statement
from healix_fhir.search.alias import Phase, Row
from healix_fhir.search.fragments import EVERYTHING, NOTHING, all_of, strung
from healix_fhir.search.lower import lower, needs_resource
from healix_fhir.search.nodes import Date
from healix_fhir.search.order import Key, Order
from healix_fhir.search.page import Cursor
from healix_fhir.search.plan import Plan
from healix_fhir.search.source import Source, alternatives
from smart_auth.access import AccessContext

CEILING = "(SELECT last_value FROM resource_pk)"
COLUMNS = "r.pk, r.id, r.version, r.updated, r.body"
PHASES = {
    Phase.DATED: Fragment("t.d IS NOT NULL"),
    Phase.UNDATED: Fragment("t.d IS NULL"),
    Phase.ANY: EVERYTHING,
}
NO_PAGE = Fragment("SELECT NULL::timestamptz AS k, NULL::bigint AS pk, 0 AS phase WHERE FALSE")


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read: the plan, the order, after which row, how many rows (0: none), and whether to count."""

    plan: Plan
    order: Order
    access: AccessContext
    dated: bool
    limit: int
    total: bool
    after: Cursor | None = None


def page_statement(reading: Reading) -> Statement:
    """Rows of (total, ceiling, sort key, pk, id, version, updated, body); pk is null when the page is empty."""
    page = _page(reading)
    total = _total(reading) if reading.total else Fragment("NULL::bigint")
    direction = reading.order.direction
    sql = f"""WITH page AS ({page.sql})
SELECT w.total, w.ceiling, m.* FROM (SELECT {total.sql} AS total, {CEILING} AS ceiling) w
LEFT JOIN (SELECT p.k, {COLUMNS}, p.phase FROM page p JOIN resource r ON r.pk = p.pk) m ON TRUE
ORDER BY m.phase, m.k {direction}, m.pk {direction}"""
    return Statement(sql, (*page.params, *total.params), prepare=False)


def _page(reading: Reading) -> Fragment:
    """The keys of the page: the arms, each in order and limited, brought together."""
    arms = list(_arms(reading)) if reading.limit else []
    if not arms:
        return NO_PAGE
    if len(arms) == 1:
        return arms[0]
    union = strung("\n UNION ALL ", [Fragment(f"({arm.sql})", arm.params) for arm in arms])
    distinct = "DISTINCT " if reading.plan.repeats else ""
    direction = reading.order.direction
    return Fragment(
        f"SELECT {distinct}u.k, u.pk, u.phase FROM ({union.sql}) u"
        f" ORDER BY u.phase, u.k {direction}, u.pk {direction} LIMIT %s",
        (*union.params, reading.limit),
    )


def _arms(reading: Reading) -> Iterator[Fragment]:
    for phase in _phases(reading):
        for source in reading.plan.sources:
            for pin in reading.plan.pins:
                arm = _arm(reading, source, pin, phase)
                if arm != NOTHING:
                    yield arm


def _phases(reading: Reading) -> tuple[Phase, ...]:
    """Resources with a date come first, in the order of an index; those without follow, and are read by themselves."""
    if reading.order.key is not Key.DATE:
        return (Phase.ANY,)
    if not reading.dated or (reading.after is not None and reading.after.key is None):
        return (Phase.UNDATED,)
    return (Phase.DATED, Phase.UNDATED)


def _arm(reading: Reading, source: Source, pin: Fragment, phase: Phase) -> Fragment:
    row = Row("t", "t" if source.is_resource else "r", source.spans, phase)
    key = f"{row.keys if reading.order.key is Key.DATE else row.resource}.{reading.order.key.value}"
    condition = all_of([_condition(reading, source, pin, row), _after(reading, key, phase)])
    if condition == NOTHING:
        return NOTHING
    distinct = "DISTINCT " if source.repeats else ""
    direction = reading.order.direction
    return Fragment(
        f"SELECT {distinct}{key} AS k, t.pk, {phase.value} AS phase FROM {_from(reading, source, row, by_key=True)}"
        f" WHERE {condition.sql} ORDER BY {key} {direction}, t.pk {direction} LIMIT %s",
        (*condition.params, reading.limit),
    )


def _from(reading: Reading, source: Source, row: Row, *, by_key: bool) -> str:
    """The tables of an arm: the resource itself only where a filter, or the sort key, looks at it."""
    filtered = any(needs_resource(node, spans=source.spans) for node in reading.plan.filters)
    if source.is_resource or not (filtered or (by_key and reading.order.key is not Key.DATE)):
        return f"{source.table} t"
    return f"{source.table} t JOIN resource {row.resource} ON {row.resource}.pk = t.pk"


def _condition(reading: Reading, source: Source, pin: Fragment, row: Row) -> Fragment:
    """What every row of an arm fulfils, wherever the page begins."""
    ceiling = Fragment("t.pk <= %s", (reading.after.ceiling,)) if reading.after else EVERYTHING
    phase = {Phase.DATED: Fragment("t.d IS NOT NULL"), Phase.UNDATED: Fragment("t.d IS NULL")}.get(
        row.phase, EVERYTHING
    )
    filters = [lower(node, row, reading.access) for node in reading.plan.filters]
    return all_of([source.condition, pin, phase, ceiling, *filters])


def _after(reading: Reading, key: str, phase: Phase) -> Fragment:
    """The rows behind the last one of the page before."""
    after = reading.after
    if after is None:
        return EVERYTHING
    if phase is Phase.UNDATED:
        return Fragment(f"t.pk {reading.order.after} %s", (after.pk,)) if after.key is None else EVERYTHING
    return Fragment(f"({key}, t.pk) {reading.order.after} (%s, %s)", (after.value, after.pk))


def _total(reading: Reading) -> Fragment:
    """The number of all matches, as a scalar subquery."""
    by_date = any(isinstance(n, Date) and n.main for node in reading.plan.filters for n in alternatives(node))
    phases = (Phase.DATED, Phase.UNDATED) if by_date else (Phase.ANY,)
    arms = [
        _count_arm(reading, source, pin, phase)
        for phase in phases
        for source in reading.plan.sources
        for pin in reading.plan.pins
    ]
    arms = [arm for arm in arms if arm != NOTHING]
    if not arms:
        return Fragment("0::bigint")
    union = strung(" UNION " if reading.plan.repeats else " UNION ALL ", arms)
    return Fragment(f"(SELECT count(*) FROM ({union.sql}) n)", union.params)


def _count_arm(reading: Reading, source: Source, pin: Fragment, phase: Phase) -> Fragment:
    row = Row("t", "t" if source.is_resource else "r", source.spans, phase)
    condition = _condition(reading, source, pin, row)
    if condition == NOTHING:
        return NOTHING
    distinct = "DISTINCT " if source.repeats else ""
    return Fragment(
        f"SELECT {distinct}t.pk FROM {_from(reading, source, row, by_key=False)} WHERE {condition.sql}",
        condition.params,
    )
