"""minValue[x], maxValue[x] and maxLength: the range of an element's values.

Spec: FHIR R4, hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.minValue_x_
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from healix_fhir.model.fhirpath.evaluate.node import Node
from healix_fhir.model.problems import Problem
from healix_fhir.model.profile.fixed import wanted
from healix_fhir.model.profile.inspection import NONE, Check, Inspection, problem
from healix_fhir.model.ucum.canonical import canonical

Json = dict[str, Any]
UCUM = "http://unitsofmeasure.org"


def limit_checks(definition: Json) -> Iterator[Check]:
    """The checks of the limits that an ElementDefinition sets."""
    least, most, length = wanted(definition, "minValue"), wanted(definition, "maxValue"), definition.get("maxLength")
    if least is not None:
        yield _bound(least, -1, "at least")
    if most is not None:
        yield _bound(most, 1, "at most")
    if isinstance(length, int):
        yield _length(length)


def _length(longest: int) -> Check:
    def check(node: Node, _inspection: Inspection) -> Sequence[Problem]:
        if isinstance(node.value, str) and len(node.value) > longest:
            message = f"must have at most {longest} characters, it has {len(node.value)}"
            return problem(node, "too-long", message)
        return NONE

    return check


def _bound(limit: Any, wrong: int, words: str) -> Check:
    shown = f"{limit.get('value')} {limit.get('code', '')}".strip() if isinstance(limit, dict) else limit

    def check(node: Node, _inspection: Inspection) -> Sequence[Problem]:
        if node.value is None:
            return NONE
        order = _compare(node.value, limit)
        if order is None:
            return problem(node, "not-supported", f"cannot be compared with the limit {shown}", "information")
        return problem(node, "value", f"must be {words} {shown}") if order == wrong else NONE

    return check


def _compare(value: Any, limit: Any) -> int | None:
    """-1, 0 or 1 as `value` is below, at or above `limit`; None where they cannot be compared."""
    left, right = _measure(value), _measure(limit)
    if left is None or right is None or left[1] != right[1]:
        return None
    return int(left[0] > right[0]) - int(left[0] < right[0])


def _measure(value: Any) -> tuple[Any, str] | None:
    """A value with the scale it is on."""
    if isinstance(value, dict):
        amount = value.get("value")
        if not isinstance(amount, int | float | Decimal):
            return None
        exact, code = Decimal(str(amount)), value.get("code")
        if value.get("system") == UCUM and isinstance(code, str):
            return canonical(exact, code)
        return exact, f"{value.get('system')}|{code or value.get('unit')}"
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | Decimal):
        return Decimal(str(value)), "number"
    return _instant(value) if isinstance(value, str) else None


def _instant(text: str) -> tuple[str, str]:
    """Dates of one precision are in the order of their texts; times of day are brought to UTC."""
    if "T" in text:
        try:
            return datetime.fromisoformat(text).astimezone(UTC).isoformat(), "instant"
        except ValueError:
            return text, "text"
    return text, f"date {len(text)}"
