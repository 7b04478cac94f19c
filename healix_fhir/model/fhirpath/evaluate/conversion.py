"""Conversion: `toInteger()` and its like, and whether a value converts.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#conversion
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType

from healix_fhir.model.fhirpath.evaluate import moment, quantity
from healix_fhir.model.fhirpath.evaluate.function import Arguments, Function
from healix_fhir.model.fhirpath.evaluate.moment import Moment
from healix_fhir.model.fhirpath.evaluate.node import EMPTY, NO, Items, boolean
from healix_fhir.model.fhirpath.evaluate.quantity import Quantity
from healix_fhir.model.fhirpath.evaluate.scope import Run, Scope, single
from healix_fhir.model.fhirpath.evaluate.system import INTEGER_RANGE, Value, collection, text, value_of

TRUE_WORDS = frozenset({"true", "t", "yes", "y", "1", "1.0"})
FALSE_WORDS = frozenset({"false", "f", "no", "n", "0", "0.0"})
INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
DECIMAL = re.compile(r"[+-]?[0-9]{1,60}(?:\.[0-9]{1,60})?")


def to_boolean(value: Value) -> bool | None:
    """True and false, the words for them, and 1 and 0."""
    if type(value) is bool:
        return value
    if type(value) is str:
        word = value.lower()
        return True if word in TRUE_WORDS else False if word in FALSE_WORDS else None
    if isinstance(value, int | Decimal) and value in (0, 1):
        return value == 1
    return None


def to_integer(value: Value) -> int | None:
    """An Integer, a boolean, or a string of digits with or without a sign."""
    if isinstance(value, int):
        return int(value)
    if type(value) is str and INTEGER.fullmatch(value) and int(value) in INTEGER_RANGE:
        return int(value)
    return None


def to_decimal(value: Value) -> Decimal | None:
    """A number, a boolean, or a string that writes a number."""
    if isinstance(value, int | Decimal):
        return Decimal(value)
    if type(value) is str and DECIMAL.fullmatch(value):
        return Decimal(value)
    return None


def to_string(value: Value) -> str | None:
    """Every value, as FHIRPath writes it."""
    if type(value) is bool:
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def to_quantity(value: Value) -> Quantity | None:
    """A number or boolean with the unit `1`, a Quantity, or a string that writes one."""
    if isinstance(value, Quantity):
        return value
    if isinstance(value, int | Decimal):
        return Quantity(Decimal(value))
    return quantity.parse(value) if type(value) is str else None


def to_moment(kind: str) -> Callable[[Value], Moment | None]:
    """To a Date, a DateTime or a Time: from the same, between Date and DateTime, and from a string."""

    def convert(value: Value) -> Moment | None:
        if type(value) is str:
            return moment.parse(kind, value)
        if not isinstance(value, Moment) or (value.kind == "Time") is not (kind == "Time"):
            return None
        if value.kind == kind:
            return value
        return Moment(kind, value.parts[:3] if kind == "Date" else value.parts)

    return convert


CONVERSIONS: Mapping[str, Callable[[Value], Value | None]] = MappingProxyType(
    {
        "Boolean": to_boolean,
        "Date": to_moment("Date"),
        "DateTime": to_moment("DateTime"),
        "Decimal": to_decimal,
        "Integer": to_integer,
        "Quantity": to_quantity,
        "String": to_string,
        "Time": to_moment("Time"),
    }
)


def _convert(kind: str) -> Function:
    conversion = CONVERSIONS[kind]

    def build(base: Run, arguments: Arguments) -> Run:
        unit = _unit(arguments)

        def run(scope: Scope) -> Items:
            node = single(base(scope), f"the input of to{kind}()")
            value = None if node is None else value_of(node)
            scope.evaluation.spend_on(value)
            return EMPTY if value is None else collection(unit(conversion(value), scope))

        return run

    return Function(0, int(kind == "Quantity"), build)


def _converts(kind: str) -> Function:
    conversion = CONVERSIONS[kind]

    def build(base: Run, arguments: Arguments) -> Run:
        unit = _unit(arguments)

        def run(scope: Scope) -> Items:
            node = single(base(scope), f"the input of convertsTo{kind}()")
            if node is None:
                return EMPTY
            value = value_of(node)
            scope.evaluation.spend_on(value)
            return NO if value is None else boolean(unit(conversion(value), scope) is not None)

        return run

    return Function(0, int(kind == "Quantity"), build)


def _unit(arguments: Arguments) -> Callable[[Value | None, Scope], Value | None]:
    """What `toQuantity(unit)` does with its result: only a Quantity that is convertible to the unit is one."""
    if not arguments:
        return lambda value, _scope: value
    (argument,) = arguments

    def convert(value: Value | None, scope: Scope) -> Value | None:
        unit = text(argument.run(scope), "the unit of toQuantity()")
        if unit is None or not isinstance(value, Quantity):
            return None
        return quantity.convert(value, unit)

    return convert


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {f"to{kind}": _convert(kind) for kind in CONVERSIONS}
    | {f"convertsTo{kind}": _converts(kind) for kind in CONVERSIONS}
)
