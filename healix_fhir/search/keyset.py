"""Going on after a row: the order and the rows behind a place in it, over the columns `k1`, `k2`, ... and `pk`.

Rows come in two phases: those that have a value of the first key, in its order, and then those that have none, which
makes each phase a range of an index. Read backwards, everything is turned around.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from healix_fhir.kernel.database import Fragment
from healix_fhir.search.fragments import EVERYTHING, NOTHING, all_of, any_of
from healix_fhir.search.order import Key, Order


@dataclass(frozen=True, slots=True)
class Place:
    """A row of an order: its phase, the text of each key's value (None: missing) and its surrogate key."""

    phase: int
    keys: tuple[str | None, ...]
    pk: int


@dataclass(frozen=True, slots=True)
class Keyset:
    """An order, read from its end if `backward`, and the row after which to go on."""

    order: Order
    backward: bool = False
    after: Place | None = None

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys in the direction of reading."""
        return (self.order.reversed if self.backward else self.order).keys

    @property
    def phases(self) -> tuple[int, ...]:
        """The phases in the direction of reading from `after` on."""
        every = (0, 1) if self.order.first.nullable else (0,)
        every = every[::-1] if self.backward else every
        return every if self.after is None else every[every.index(self.after.phase) :]

    def order_by(self, alias: str, *, phase: bool = False) -> str:
        """The columns to order by; `phase` where rows of both phases meet."""
        first, *rest = self.keys
        terms = [f"{alias}.k1 {first.direction}"]
        terms += [
            f"{alias}.k{n} {key.direction} NULLS {'FIRST' if self.backward else 'LAST'}"
            for n, key in enumerate(rest, start=2)
        ]
        terms.append(f"{alias}.pk {first.direction}")
        return ", ".join([f"{alias}.phase {'DESC' if self.backward else 'ASC'}", *terms] if phase else terms)

    def behind(self, alias: str, phase: int) -> Fragment:
        """The condition on rows of one phase that they come after the place to go on from."""
        after = self.after
        if after is None or phase != after.phase:
            return EVERYTHING
        keys, values = (self.keys, after.keys) if phase == 0 else (self.keys[1:], after.keys[1:])
        first = len(self.keys) - len(keys) + 1
        columns = [f"{alias}.k{n}" for n in range(first, len(self.keys) + 1)]
        sign = "<" if self.keys[0].descending else ">"
        if not keys:
            return Fragment(f"{alias}.pk {sign} %s", (after.pk,))
        if len(keys) == 1 and phase == 0:
            return Fragment(
                f"({columns[0]}, {alias}.pk) {sign} (%s::{keys[0].type}, %s::bigint)", (values[0], after.pk)
            )
        steps = self._steps(
            list(zip(columns, keys, values, strict=True)), Fragment(f"{alias}.pk {sign} %s", (after.pk,))
        )
        bound = Fragment(f"{columns[0]} {sign}= %s::{keys[0].type}", (values[0],)) if phase == 0 else EVERYTHING
        return all_of([bound, any_of(steps)])

    def _steps(self, columns: Sequence[tuple[str, Key, str | None]], last: Fragment) -> list[Fragment]:
        """The ways in which a row may be behind: equal in the first columns, behind in the next."""
        steps: list[Fragment] = []
        equal: list[Fragment] = []
        for column, key, value in columns:
            steps.append(all_of([*equal, self._past(column, key, value)]))
            if value is None:
                equal.append(Fragment(f"{column} IS NULL"))
            else:
                equal.append(Fragment(f"{column} = %s::{key.type}", (value,)))
        return [*steps, all_of([*equal, last])]

    def _past(self, column: str, key: Key, value: str | None) -> Fragment:
        if value is None:
            return Fragment(f"{column} IS NOT NULL") if self.backward else NOTHING
        past = Fragment(f"{column} {'<' if key.descending else '>'} %s::{key.type}", (value,))
        missing = Fragment(f"{column} IS NULL") if key.nullable and not self.backward else NOTHING
        return any_of([past, missing])
