"""Math: functions of one number, or of one quantity where that makes sense.

What is not defined (a root of a negative number, a logarithm of zero) is empty.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#math
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import TypeAlias

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.fhirpath.evaluate.arithmetic import calculated, operand
from healix_fhir.model.fhirpath.evaluate.function import Arguments, Function
from healix_fhir.model.fhirpath.evaluate.node import EMPTY, Items
from healix_fhir.model.fhirpath.evaluate.quantity import EXACT, QUOTIENT, Quantity
from healix_fhir.model.fhirpath.evaluate.scope import Run, Scope
from healix_fhir.model.fhirpath.evaluate.system import Value, integer, number

Number: TypeAlias = int | Decimal

PLACES = 28
"""The digits after the point to which round() rounds at most."""


def _of_number(name: str, function: Callable[[Number], Value | None]) -> Function:
    """A function of one number; of a Quantity it takes the value and keeps the unit."""

    def of_value(value: Value) -> Value | None:
        if isinstance(value, Quantity):
            result = function(value.value)
            return Quantity(Decimal(result), value.unit, value.system) if isinstance(result, int | Decimal) else None
        if type(value) is int or isinstance(value, Decimal):
            return function(value)
        raise invalid(f"FHIRPath: {name}() is of a number")

    def build(base: Run, _arguments: Arguments) -> Run:
        def run(scope: Scope) -> Items:
            value = operand(base(scope), f"{name}()")
            return EMPTY if value is None else calculated(of_value, value)

        return run

    return Function(0, 0, build)


def _whole(rounding: str) -> Callable[[Number], Value]:
    def convert(value: Number) -> int:
        return int(Decimal(value).to_integral_value(rounding, EXACT))

    return convert


def _absolute(value: Number) -> Value:
    return abs(value) if isinstance(value, int) else value.copy_abs()


def _exponential(value: Number) -> Value:
    return QUOTIENT.exp(Decimal(value))


def _logarithm(value: Number) -> Value | None:
    return QUOTIENT.ln(Decimal(value)) if value > 0 else None


def _root(value: Number) -> Value | None:
    return QUOTIENT.sqrt(Decimal(value)) if value >= 0 else None


def _log(value: Number, base: Number) -> Value | None:
    """By the common logarithm, which is exact for powers of ten; rounded to what both are good for."""
    if value <= 0 or base <= 0 or base == 1:
        return None
    quotient = EXACT.divide(EXACT.ln(Decimal(value)), EXACT.ln(Decimal(base)))
    return QUOTIENT.plus(quotient).normalize(QUOTIENT)


def _power(value: Number, exponent: Number) -> Value | None:
    """An Integer of Integers where it is one; nothing for a root of a negative number."""
    if value < 0 and exponent != int(exponent):
        return None
    if value == 0 and exponent <= 0:
        return Decimal(1) if exponent == 0 else None
    context = EXACT if exponent == int(exponent) else QUOTIENT
    result = context.power(Decimal(value), Decimal(exponent))
    if isinstance(value, int) and isinstance(exponent, int) and exponent >= 0:
        return int(result) if result.adjusted() < PLACES else None
    return result


def _with_number(name: str, function: Callable[[Number, Number], Value | None]) -> Function:
    """A function of one number and of another."""

    def build(base: Run, arguments: Arguments) -> Run:
        (argument,) = arguments

        def run(scope: Scope) -> Items:
            value, other = number(base(scope), f"the input of {name}()"), number(argument.run(scope), f"{name}()")
            return EMPTY if value is None or other is None else calculated(function, value, other)

        return run

    return Function(1, 1, build)


def _round(base: Run, arguments: Arguments) -> Run:
    def run(scope: Scope) -> Items:
        value = number(base(scope), "the input of round()")
        places = integer(arguments[0].run(scope), "the precision of round()") if arguments else 0
        if value is None or places is None:
            return EMPTY
        if places < 0:
            raise invalid("FHIRPath: the precision of round() is not negative")
        unit = Decimal(1).scaleb(-min(places, PLACES))
        return calculated(lambda exact: Decimal(exact).quantize(unit, ROUND_HALF_UP, EXACT), value)

    return run


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "abs": _of_number("abs", _absolute),
        "ceiling": _of_number("ceiling", _whole(ROUND_CEILING)),
        "exp": _of_number("exp", _exponential),
        "floor": _of_number("floor", _whole(ROUND_FLOOR)),
        "ln": _of_number("ln", _logarithm),
        "log": _with_number("log", _log),
        "power": _with_number("power", _power),
        "round": Function(0, 1, _round),
        "sqrt": _of_number("sqrt", _root),
        "truncate": _of_number("truncate", _whole(ROUND_DOWN)),
    }
)
