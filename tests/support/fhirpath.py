"""Evaluating FHIRPath in tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from healix_fhir.model.fhirpath.engine import Environment, compile_expression
from healix_fhir.model.fhirpath.evaluate.moment import Moment
from healix_fhir.model.fhirpath.evaluate.quantity import Quantity
from tests.support.resources import Json

NOON = datetime(2024, 2, 29, 12, 0, 0, 500_000, UTC)
FIXED = Environment(clock=lambda: NOON)


def found(expression: str, resource: Json | None = None, environment: Environment = FIXED) -> list[Any]:
    """The values that an expression finds; moments and quantities as FHIRPath writes them."""
    subject = {"resourceType": "Patient"} if resource is None else resource
    nodes = compile_expression(expression).evaluate(subject, environment=environment)
    return [str(node.value) if isinstance(node.value, Moment | Quantity) else node.value for node in nodes]


def one(expression: str, resource: Json | None = None, environment: Environment = FIXED) -> Any:
    """The one value that an expression finds; None where it finds none."""
    values = found(expression, resource, environment)
    assert len(values) < 2
    return values[0] if values else None
