"""The members of a value set as SQL: how many there are, and a page of them in a fixed order.

The order is that of the code systems as the value set names them, and in each that of its concepts, or of the list of
codes where there is one. Each code system is an arm of its own, counted and paged by itself; a page reads the arms that
it touches. What follows from hierarchies alone is counted and paged by arithmetic on ranges (`filters.spans`).

Spec: FHIR R4, hl7.org/fhir/R4/valueset.html#expansion
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from healix_fhir.kernel import arrays
from healix_fhir.kernel.conditions import EVERYTHING, NOTHING, all_of, strung
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.search.words import words
from healix_fhir.terminology.catalog import System
from healix_fhir.terminology.concepts import text_query
from healix_fhir.terminology.conditions import (
    EVERY,
    NONE,
    All,
    Condition,
    Exists,
    Group,
    InUse,
    Systems,
    among,
    groups,
    listed,
    listing,
    restricted,
)
from healix_fhir.terminology.conditions import all_of as every
from healix_fhir.terminology.filters import bound, holds, marked, spans, without
from healix_fhir.terminology.sets import Codes, Listed, Set

COLUMNS = "c.n, c.code, c.display, c.inactive, c.abstract"


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What is asked of members besides: words of their texts, that they are in use, that they can be chosen."""

    text: str = ""
    active: bool = False
    selectable: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A member: `n` is its number in `group.system`, None where that has it not; `listed`, as the set lists it."""

    group: Group
    n: int | None
    code: str
    display: str | None
    inactive: bool = False
    abstract: bool = False
    listed: Listed | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """The members of one code system: `count` is their number, `rows` is a SELECT that ends before OFFSET and LIMIT.

    Where every member must be read to be counted, `numbers` is a SELECT of their numbers in any order instead.
    """

    group: Group
    count: Fragment = EVERYTHING
    rows: Fragment = EVERYTHING
    ranges: Fragment | None = None
    numbers: Fragment | None = None

    def counted(self, most: int) -> Fragment:
        """The number of members, or up to `most` numbers."""
        if self.numbers is None:
            return self.count
        return Fragment(
            f"SELECT coalesce(array_agg(l.n), '{{}}') FROM ({self.numbers.sql} LIMIT %s) l",
            (*self.numbers.params, most),
        )

    def page(self, counted: Counted, number: int, offset: int, limit: int) -> Fragment:
        """The rows from `offset` on, with the arm's number and their place."""
        if self.ranges is not None:
            return _by_ranges(self, self.ranges, number, offset, limit)
        if counted.numbers is not None:
            return _by_numbers(self, counted.numbers[offset : offset + limit], number)
        return Fragment(
            f"SELECT {number} AS arm, m.* FROM ({self.rows.sql} OFFSET %s LIMIT %s) m",
            (*self.rows.params, offset, limit),
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """How many members an arm has, or that it has `more`; which they are in order, where all had to be read."""

    size: int
    numbers: Sequence[int] | None = None
    more: bool = False


def arms(found: Set, systems: Systems, narrowed: Narrowed) -> list[Arm]:
    """The arms of a set. Raises Invalid where it needs a code system that is not at hand."""
    return [arm for group in groups(found, systems) for arm in _of_group(found, group, systems, narrowed)]


def count(found: Sequence[Arm], most: int) -> Work[list[Counted]]:
    """How many members each arm has; of one whose members must be read up to `most`."""
    if not found:
        return []
    each = [arm.counted(most) for arm in found]
    numbers = strung(", ", [Fragment(f"({one.sql})", one.params) for one in each])
    rows = yield Statement(f"SELECT {numbers.sql}", numbers.params, prepare=False)
    return [_counted(told, most) for told in rows[0]]


def _counted(told: list[int] | int, most: int) -> Counted:
    if not isinstance(told, list):
        return Counted(int(told))
    return Counted(len(told), sorted(told)) if len(told) < most else Counted(most, more=True)


def page(found: Sequence[Arm], counts: Sequence[Counted], offset: int, limit: int, names: Names) -> Work[list[Member]]:
    """The members from `offset` on, `limit` at most."""
    parts = []
    for number, (arm, counted) in enumerate(zip(found, counts, strict=True)):
        if limit > 0 and offset < counted.size:
            parts.append(arm.page(counted, number, offset, min(limit, counted.size - offset)))
            limit -= counted.size - offset
        offset = max(offset - counted.size, 0)
    if not parts:
        return []
    union = strung(" UNION ALL ", [Fragment(f"({part.sql})", part.params) for part in parts])
    rows = yield Statement(
        f"SELECT u.arm, u.n, u.code, u.display, u.inactive, u.abstract FROM ({union.sql}) u ORDER BY u.arm, u.place",
        union.params,
        prepare=False,
    )
    return [
        Member(group, n, code, display, bool(inactive), bool(abstract), names.of(group, code))
        for arm, n, code, display, inactive, abstract in rows
        for group in [found[arm].group]
    ]


class Names:
    """What a value set calls the concepts that it lists."""

    def __init__(self, found: Set) -> None:
        self._set = found
        self._known: dict[Group, dict[str, Listed]] = {}

    def of(self, group: Group, code: str) -> Listed | None:
        """The concept as the set lists it; None where it does not."""
        if group not in self._known:
            self._known[group] = listed(tuple(among(self._set, group)), folds=group.folds)
        return self._known[group].get(code.lower() if group.folds else code)


def _of_group(found: Set, group: Group, systems: Systems, narrowed: Narrowed) -> Iterator[Arm]:
    condition = restricted(found, group, systems)
    if narrowed.active:
        condition = every([condition, InUse()])
    if condition == NONE:
        return
    lists = listing(condition)
    if lists is not None:
        yield from _listed_arm(condition, lists, group, narrowed, all_of([]))
        return
    assert group.system is not None  # `restricted` has refused
    yield _concept_arm(condition, group, group.system, narrowed)
    if lists := tuple(among(found, group)):
        yield from _listed_arm(condition, lists, group, narrowed, Fragment("c.n IS NULL"))


def _listed_arm(
    condition: Condition, lists: Sequence[Codes], group: Group, narrowed: Narrowed, only: Fragment
) -> Iterator[Arm]:
    """The members among listed codes, whether or not the system has them."""
    concepts = listed(lists, folds=group.folds)
    if not concepts:
        return
    asked = holds(condition, group.system, key="l.key")
    conditions = all_of([asked, only, _told(narrowed)])
    if conditions == NOTHING:
        return
    joined = (
        Fragment("FALSE") if group.system is None else Fragment("c.system = %s AND c.key = l.key", (group.system.id,))
    )
    source = Fragment(
        f"""FROM unnest(%s::text[], %s::text[], %s::int[]) WITH ORDINALITY AS l (key, code, hit, place)
            LEFT JOIN concept c ON {joined.sql} WHERE {conditions.sql}""",
        (
            arrays.text(concepts),
            arrays.text(one.code for one in concepts.values()),
            arrays.int4(int(_hit(one, narrowed.text)) for one in concepts.values()),
            *joined.params,
            *conditions.params,
        ),
    )
    yield Arm(
        group,
        Fragment(f"SELECT count(*) {source.sql}", source.params),
        Fragment(
            "SELECT c.n, coalesce(c.code, l.code) AS code, c.display, c.inactive, c.abstract, l.place"
            f" {source.sql} ORDER BY l.place",
            source.params,
        ),
    )


def _told(narrowed: Narrowed) -> Fragment:
    """What is asked of a listed code besides: its own texts, or those that its system has for it."""
    conditions = [Fragment("c.abstract IS NOT TRUE")] if narrowed.selectable else []
    if narrowed.text:
        query = text_query(narrowed.text)
        conditions.append(NOTHING if query is None else Fragment("(l.hit = 1 OR c.words @@ %s::tsquery)", (query,)))
    return all_of(conditions)


def _hit(concept: Listed, text: str) -> bool:
    """Whether every word of `text` begins one of what a value set says of a concept that it lists."""
    if not text:
        return True
    said = [concept.code, concept.display or "", *(str(one.get("value", "")) for one in concept.designations)]
    there = [word for each in said for word in words(each)]
    return all(any(word.startswith(sought) for word in there) for sought in words(text))


def _concept_arm(condition: Condition, group: Group, system: System, narrowed: Narrowed) -> Arm:
    """The members among the concepts of a system."""
    exact = None if narrowed.text else spans(condition, system)
    if exact is None:
        return _read_arm(condition, group, system, narrowed)
    if narrowed.selectable:
        exact = without(exact, marked("abstract", system))
    counted = Fragment(f"SELECT coalesce(sum(upper(s.r) - lower(s.r)), 0) FROM unnest({exact.sql}) s (r)", exact.params)
    return Arm(group, counted, ranges=exact)


def _read_arm(condition: Condition, group: Group, system: System, narrowed: Narrowed) -> Arm:
    """The members among the concepts of a system, where these must be read to tell.

    They are found in whatever way is fast. Where there are many, a page is read by walking through the concepts in
    their order, which the planner would not do: it takes a text for rarer than it is.
    """
    conditions = [Fragment("NOT c.abstract")] if narrowed.selectable else []
    placed, told = _apart(condition, system) if narrowed.text else (bound(condition, system), condition)
    if narrowed.text:
        query = text_query(narrowed.text)
        conditions.append(NOTHING if query is None else Fragment("c.words @@ %s::tsquery", (query,)))
    conditions.append(holds(told, system, key="c.key"))
    own = Fragment("c.system = %s", (system.id,))
    first = own
    if placed is not None:
        # in a SELECT of its own it is computed once, not for each concept
        within = Fragment(f"c.n <@ (SELECT {placed.sql})", placed.params)
        begins = Fragment(f"c.n >= (SELECT lower({placed.sql}))", placed.params)
        first, conditions = all_of([own, begins]), [within, *conditions]
    where, found = all_of(conditions), all_of([own, *conditions])
    walk = f"(SELECT c.* FROM concept c WHERE {first.sql} ORDER BY c.n OFFSET 0) c"
    return Arm(
        group,
        numbers=Fragment(f"SELECT c.n FROM concept c WHERE {found.sql}", found.params),
        rows=Fragment(
            f"SELECT {COLUMNS}, c.n AS place FROM {walk} WHERE {where.sql} ORDER BY c.n",
            (*first.params, *where.params),
        ),
    )


def _apart(condition: Condition, system: System) -> tuple[Fragment | None, Condition]:
    """Where to look for what fulfils a condition, and what to ask of it there.

    Whether it is in use, its row tells: as numbers, those in use are thousands of ranges.
    """
    parts = list(_parts(condition))
    placed = every([one for one in parts if one not in (Exists(), InUse())])
    if placed == EVERY:
        return None, condition
    exact = spans(placed, system) is not None
    return bound(placed, system), every([one for one in parts if one == InUse()]) if exact else condition


def _parts(condition: Condition) -> Iterator[Condition]:
    """The conditions that must all hold."""
    if isinstance(condition, All):
        for one in condition.conditions:
            yield from _parts(one)
    else:
        yield condition


def _by_ranges(arm: Arm, ranges: Fragment, number: int, offset: int, limit: int) -> Fragment:
    """The concepts at a place in ranges: which numbers these are is reckoned, and only they are read."""
    assert arm.group.system is not None
    return Fragment(
        f"""SELECT {number} AS arm, {COLUMNS}, c.n AS place
            FROM (SELECT lower(s.r) AS lo, upper(s.r) AS hi,
                         sum(upper(s.r) - lower(s.r)) OVER (ORDER BY lower(s.r)) - (upper(s.r) - lower(s.r)) AS before
                  FROM unnest({ranges.sql}) s (r)) w
            JOIN concept c ON c.system = %s AND c.n >= w.lo + greatest(%s - w.before, 0)
                          AND c.n < least(w.hi, w.lo + %s - w.before)
            WHERE w.before < %s AND w.before + w.hi - w.lo > %s""",
        (*ranges.params, arm.group.system.id, offset, offset + limit, offset + limit, offset),
    )


def _by_numbers(arm: Arm, numbers: Sequence[int], number: int) -> Fragment:
    """The concepts with some numbers."""
    assert arm.group.system is not None
    return Fragment(
        f"SELECT {number} AS arm, {COLUMNS}, c.n AS place FROM concept c WHERE c.system = %s AND c.n = ANY(%s::int[])",
        (arm.group.system.id, arrays.int4(numbers)),
    )
