"""Conditions: a plain limit is compared as FHIRPath would, and nothing is read that no condition asks for."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from healix_fhir.care.alerts.condition import condition
from healix_fhir.care.alerts.judge import PLAIN, UnreadError, raises
from healix_fhir.care.alerts.reading import plan_of
from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.fhirpath.engine import expression, root
from tests.support.alerts import NOON, action, looking_back, plan, reading
from tests.support.alerts import condition as asked

VALUES: list[dict[str, Any]] = [
    *({"value": number} for number in (119, 120, 121, Decimal("120.0"), Decimal("120.001"))),
    {"value": 121, "comparator": "<"},
    {"value": 130, "unit": "bpm", "system": "urn:other", "code": "/min"},
    {"value": 3, "code": "/s"},
    {"value": 130, "code": "kg"},
    {"value": None},
]


@pytest.mark.spec("FHIRPath N1 #comparison")
@pytest.mark.parametrize(
    "text", [f"value {op} {number} '/min'" for op, number in product([">", ">=", "<", "<="], (120, 120.5))]
)
def test_a_limit_is_what_fhirpath_makes_of_it(text: str) -> None:
    """Whatever the Quantity is, the short way says what the long way says."""
    short = condition(expression(text))
    assert short.limit is not None
    for change in VALUES:
        observation = reading("o", 1, NOON)
        observation["valueQuantity"] |= change
        if change.get("value", 0) is None:
            del observation["valueQuantity"]["value"]
        items = expression(text).evaluate(observation)
        assert short.holds(root(observation), PLAIN) == (len(items) == 1 and items[0].value is True), change


@pytest.mark.parametrize(
    "text", ["value > 120", "value > 120 '/min' and true", "value.value > 120", "value != 1 '/min'"]
)
def test_everything_else_is_for_fhirpath(text: str) -> None:
    """What is more than a limit, or has no unit, is evaluated."""
    assert condition(expression(text)).limit is None


def test_another_value_fails_by_both_ways() -> None:
    """A limit on what is no Quantity cannot be evaluated, and says so."""
    observation = reading("o", 1, NOON)
    del observation["valueQuantity"]
    observation["valueString"] = "fast"
    with pytest.raises(HealixError):
        condition(expression("value > 120 '/min'")).holds(root(observation), PLAIN)


def test_only_what_gets_so_far_looks_back() -> None:
    """A combination reads its other input once its first part is true, not before."""
    both = plan(action(asked("value > 100 '/min' and %other.empty()"), input=[looking_back("other", 1)]))
    (rule,) = plan_of(both).rules
    assert raises(rule, root(reading("o", 90, NOON)), NOON, None) is False
    with pytest.raises(UnreadError):
        raises(rule, root(reading("o", 110, NOON)), NOON, None)
    assert raises(rule, root(reading("o", 110, NOON)), NOON, lambda _: []) is True
