"""Predicates of several callers in one statement."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.database import Fragment
from healix_fhir.kernel.guard import Guard
from healix_fhir.store.guard import holdable
from smart_auth.access import EVERYTHING, NOTHING, AccessContext, internal
from smart_auth.scope import Permission, parse

MINE = Fragment("r.pat = %s", (1,))


def test_equal_predicates_share_a_number() -> None:
    """The condition has one arm for each distinct predicate, with its values in order."""
    guard = Guard()
    assert [guard.number(predicate) for predicate in (MINE, NOTHING, MINE)] == [0, 1, 0]
    assert guard.condition("x.g") == Fragment("((x.g = 0 AND r.pat = %s) OR (x.g = 1 AND FALSE))", (1,))


def test_all_open_is_no_condition() -> None:
    """Where every caller sees everything the statement stays plain."""
    guard = Guard()
    guard.number(EVERYTHING)
    assert guard.condition("x.g") == EVERYTHING


def test_callers_who_hold_everything_or_nothing_cost_no_statement() -> None:
    """A system scope is allowed and a resource in no compartment refused without the database."""
    bound = AccessContext(parse("patient/*.c"), patient="p", pat=1)
    work = holdable(
        [
            ("all", internal("test").compartments("Observation", Permission.CREATE, "n.pat"), ["p"]),
            ("none", bound.compartments("Observation", Permission.CREATE, "n.pat"), []),
        ]
    )
    with pytest.raises(StopIteration) as stop:
        next(work)
    assert stop.value.value == {"all"}
