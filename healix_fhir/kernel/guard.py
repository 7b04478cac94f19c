"""Conditions of several callers in one statement, each on that caller's rows alone."""

from __future__ import annotations

from healix_fhir.kernel.conditions import EVERYTHING
from healix_fhir.kernel.database import Fragment


class Guard:
    """Distinct predicates, numbered; rows of a statement carry the number of theirs in a column."""

    def __init__(self) -> None:
        self._numbers: dict[Fragment, int] = {}

    def number(self, predicate: Fragment) -> int:
        """The number of `predicate`; equal predicates share one."""
        return self._numbers.setdefault(predicate, len(self._numbers))

    def condition(self, column: str) -> Fragment:
        """The condition that each row satisfies the predicate whose number is in `column`."""
        if tuple(self._numbers) == (EVERYTHING,):
            return EVERYTHING
        arms = [f"({column} = {number} AND {predicate.sql})" for predicate, number in self._numbers.items()]
        return Fragment(
            "(" + " OR ".join(arms) + ")", tuple(value for predicate in self._numbers for value in predicate.params)
        )
