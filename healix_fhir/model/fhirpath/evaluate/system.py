"""From the elements of FHIR to the values of FHIRPath's own types, and back to nodes.

The values are bool, int, Decimal, str, Moment and Quantity; int and Decimal are FHIRPath's Integer and Decimal.

Spec: FHIR R4, hl7.org/fhir/R4/fhirpath.html#types; FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#literals
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeAlias, cast

from healix_fhir.kernel.errors import HealixError, invalid, too_large
from healix_fhir.model.fhirpath.evaluate import moment, quantity
from healix_fhir.model.fhirpath.evaluate.moment import Moment
from healix_fhir.model.fhirpath.evaluate.node import FALSE, SYSTEM, TRUE, Items, Node
from healix_fhir.model.fhirpath.evaluate.quantity import UCUM, Quantity
from healix_fhir.model.fhirpath.evaluate.scope import TEXT_LIMIT, single
from healix_fhir.model.fhirpath.types import KIND_OF

Value: TypeAlias = bool | int | Decimal | str | Moment | Quantity

INTEGERS = frozenset({"integer", "positiveInt", "unsignedInt"})
MOMENTS = {"date": "Date", "dateTime": "DateTime", "instant": "DateTime", "time": "Time"}
CALENDAR = {"a": "year", "mo": "month", "wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second"}
INTEGER_RANGE = range(-(2**31), 2**31)
DIGITS = 1000
"""The digits that a number may have before and after the point."""


def value_of(node: Node) -> Value | None:
    """The System value of a node; None for a complex type, and for an element without a value.

    Raises Invalid for a primitive whose JSON is not of its type.
    """
    value = node.value
    kind = node.type
    if kind.startswith(SYSTEM):
        return None if kind == "System.TypeInfo" else cast("Value", value)
    if type(value) is dict:
        return _quantity(value) if kind == "Quantity" or KIND_OF.get(kind) == "Quantity" else None
    if value is None:
        return None
    if kind == "boolean":
        if value is True or value is False:
            return bool(value)
        raise _malformed(node)
    if kind in INTEGERS:
        if type(value) is int:
            return value
        raise _malformed(node)
    if kind == "decimal":
        return _decimal(node)
    if type(value) is not str:
        raise _malformed(node)
    named = MOMENTS.get(kind)
    if named is None:
        return value
    found = moment.parse(named, value)
    if found is None:
        raise _malformed(node)
    return found


def values_of(left: Node, right: Node) -> tuple[Value | None, Value | None]:
    """The values of two nodes that are compared: a number beside a Quantity is one too."""
    ours, theirs = value_of(left), value_of(right)
    return quantity.widened(ours, theirs), quantity.widened(theirs, ours)


def _decimal(node: Node) -> Decimal:
    value = node.value
    if isinstance(value, Decimal):
        found = value
    elif type(value) is int:
        found = Decimal(value)
    else:
        raise _malformed(node)
    if found.is_finite() and abs(found.adjusted()) < DIGITS:
        return found
    raise _malformed(node)


def _malformed(node: Node) -> HealixError:
    return invalid(f"FHIRPath: {node.location or 'the value'} is no {node.type}")


def _quantity(value: dict[str, Any]) -> Quantity | None:
    """A Quantity without comparator; the UCUM units of time are calendar durations here.

    One whose unit is no UCUM code is compared with those of the same unit only.

    Spec: FHIR R4, hl7.org/fhir/R4/fhirpath.html#quantity
    """
    number = value.get("value")
    if value.get("comparator") is not None or isinstance(number, bool) or not isinstance(number, int | Decimal):
        return None
    system, code = value.get("system"), value.get("code")
    if system == UCUM and type(code) is str:
        return Quantity(Decimal(number), CALENDAR.get(code, code))
    unit = code or value.get("unit")
    return Quantity(Decimal(number)) if unit is None else Quantity(Decimal(number), str(unit), str(system or ""))


def node_of(value: Value) -> Node:
    """The node of a System value."""
    if value is True:
        return TRUE
    if value is False:
        return FALSE
    if type(value) is str:
        if len(value) > TEXT_LIMIT:
            raise too_large(f"FHIRPath: a string may have {TEXT_LIMIT} characters")
        return Node(value, "System.String")
    if type(value) is int:
        return Node(value, "System.Integer")
    if isinstance(value, Decimal):
        return Node(value, "System.Decimal")
    if isinstance(value, Moment):
        return Node(value, SYSTEM + value.kind)
    return Node(value, "System.Quantity")


def collection(value: Value | None) -> Items:
    """The collection of one System value; empty for None, and for an Integer or Decimal that overflows."""
    if value is None:
        return ()
    if type(value) is int and value not in INTEGER_RANGE:
        return ()
    if isinstance(value, Decimal) and (not value.is_finite() or abs(value.adjusted()) > DIGITS):
        return ()
    return (node_of(value),)


def text(items: Items, what: str) -> str | None:
    """The one string of a collection; None when it is empty or has no value. Raises Invalid for anything else."""
    node = single(items, what)
    if node is None:
        return None
    value = value_of(node)
    if value is None and (type(node.value) is dict or node.type == "System.TypeInfo"):
        raise invalid(f"FHIRPath: {what} is a string, not {node.type}")
    if value is not None and type(value) is not str:
        raise invalid(f"FHIRPath: {what} is a string, not {node.type}")
    return value


def integer(items: Items, what: str) -> int | None:
    """The one Integer of a collection; None when it is empty. Raises Invalid for anything else."""
    node = single(items, what)
    if node is None:
        return None
    value = value_of(node)
    if type(value) is not int:
        raise invalid(f"FHIRPath: {what} is an integer, not {node.type}")
    return value


def number(items: Items, what: str) -> int | Decimal | None:
    """The one number of a collection; None when it is empty. Raises Invalid for anything else."""
    node = single(items, what)
    if node is None:
        return None
    value = value_of(node)
    if type(value) is int or isinstance(value, Decimal):
        return value
    raise invalid(f"FHIRPath: {what} is a number, not {node.type}")


def literal(kind: str, written: str) -> Value:
    """The value of a literal of a date, time or quantity. Raises Invalid for one that does not exist."""
    found = quantity.parse(written) if kind == "Quantity" else moment.parse(kind, written)
    if found is None:
        raise invalid(f"FHIRPath: {written[:64]} is no {kind}")
    return found
