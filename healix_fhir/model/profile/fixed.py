"""fixed[x] and pattern[x]: the value that an element must have, or must at least hold.

Spec: FHIR R4, hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.fixed_x_
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from healix_fhir.model.fhirpath.evaluate.node import Node
from healix_fhir.model.json import encode
from healix_fhir.model.problems import Problem
from healix_fhir.model.profile.inspection import NONE, Check, Inspection, problem

Json = dict[str, Any]
SHOWN = 200


def wanted(definition: Json, kind: str) -> Any:
    """The value of `fixed[x]` or `pattern[x]` of an ElementDefinition; None where there is none."""
    for name, value in definition.items():
        if name.startswith(kind) and name[len(kind) : len(kind) + 1].isupper():
            return value
    return None


def fixed_check(definition: Json) -> Check | None:
    """The check of `fixed[x]`: the value is exactly this."""
    expected = wanted(definition, "fixed")
    if expected is None:
        return None

    def check(node: Node, _inspection: Inspection) -> Sequence[Problem]:
        return NONE if is_equal(node.value, expected) else problem(node, "value", f"must be {_shown(expected)}")

    return check


def pattern_check(definition: Json) -> Check | None:
    """The check of `pattern[x]`: the value holds at least this."""
    expected = wanted(definition, "pattern")
    if expected is None:
        return None

    def check(node: Node, _inspection: Inspection) -> Sequence[Problem]:
        return NONE if holds(node.value, expected) else problem(node, "value", f"must hold {_shown(expected)}")

    return check


def is_equal(value: Any, expected: Any) -> bool:
    """Whether two JSON values are the same; numbers by value."""
    if type(value) is dict and type(expected) is dict:
        return value.keys() == expected.keys() and all(is_equal(value[key], expected[key]) for key in expected)
    if type(value) is list and type(expected) is list:
        return len(value) == len(expected) and all(map(is_equal, value, expected))
    return _same(value, expected)


def holds(value: Any, expected: Any) -> bool:
    """Whether `value` has everything that `expected` has; a list holds an item for each of the pattern's."""
    if type(expected) is dict:
        return type(value) is dict and all(key in value and holds(value[key], expected[key]) for key in expected)
    if type(expected) is list:
        return type(value) is list and all(any(holds(item, part) for item in value) for part in expected)
    return _same(value, expected)


def _same(value: Any, expected: Any) -> bool:
    if isinstance(expected, bool) or isinstance(value, bool):
        return value is expected
    if isinstance(expected, int | float | Decimal) and isinstance(value, int | Decimal):
        return Decimal(str(expected)) == Decimal(str(value))
    return bool(value == expected)


def _shown(expected: Any) -> str:
    return f"'{expected}'" if isinstance(expected, str) else encode(expected).decode()[:SHOWN]
