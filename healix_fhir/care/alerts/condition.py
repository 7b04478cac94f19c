"""One condition of a rule: a FHIRPath expression, and the limit that it is, where it is no more than that.

Most rules are `value > 120 '/min'`. Where the Observation has a Quantity in the very unit, two numbers are compared;
everything else is for FHIRPath. A hundred rules cost less than one evaluation then.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#comparison
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

from healix_fhir.care.alerts.span import UCUM
from healix_fhir.model.fhirpath.engine import Environment, Expression, Node

LIMIT = re.compile(r"\s*value\s*(>=|<=|>|<)\s*(\d+(?:\.\d+)?)\s*'([^'\\]+)'\s*", re.ASCII)
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
)


class Limit(msgspec.Struct, frozen=True):
    """`value` is compared with `number` of a UCUM `unit`."""

    compare: Callable[[Any, Any], bool]
    number: Decimal
    unit: str


class Condition(msgspec.Struct, frozen=True):
    """An expression that must be true."""

    expression: Expression
    limit: Limit | None

    def holds(self, focus: Node, environment: Environment) -> bool:
        """Whether it is true of a resource: what has no answer is not. Raises what evaluation raises."""
        if self.limit is not None:
            quantity = focus.value.get("valueQuantity")
            if quantity is not None and quantity.get("code") == self.limit.unit and quantity.get("system") == UCUM:
                number = quantity.get("value")
                return (
                    number is not None
                    and "comparator" not in quantity
                    and self.limit.compare(number, self.limit.number)
                )
        items = self.expression.evaluate({}, focus=focus, environment=environment)
        return len(items) == 1 and items[0].value is True


def condition(expression: Expression) -> Condition:
    """The condition that a compiled expression is."""
    found = LIMIT.fullmatch(expression.text)
    limit = None if found is None else Limit(COMPARE[found[1]], Decimal(found[2]), found[3])
    return Condition(expression, limit)
