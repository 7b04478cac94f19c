"""The arithmetic operators and `&`.

What overflows or has no result is empty, as the specification has it; operands of the wrong type are refused.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#math
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, Decimal, DecimalException
from types import MappingProxyType
from typing import TypeAlias

from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.model.fhirpath.evaluate import calendar, quantity
from healix_fhir.model.fhirpath.evaluate.moment import Moment
from healix_fhir.model.fhirpath.evaluate.node import EMPTY, Items
from healix_fhir.model.fhirpath.evaluate.quantity import EXACT, QUOTIENT, Quantity
from healix_fhir.model.fhirpath.evaluate.scope import Run, Scope, single
from healix_fhir.model.fhirpath.evaluate.system import Value, collection, text, value_of

Number: TypeAlias = int | Decimal
Operation: TypeAlias = Callable[[Value, Value], Value | None]


def plus(left: Value, right: Value) -> Value | None:
    """`left + right`: numbers, strings, quantities of one dimension, a moment and a duration."""
    left, right = quantity.widened(left, right), quantity.widened(right, left)
    match left, right:
        case str(), str():
            return left + right
        case Quantity(), Quantity():
            return _sum(left, right, right.value)
        case Moment(), Quantity():
            return _later(left, right, right.value)
        case _:
            return _calculate(EXACT.add, left, right)


def minus(left: Value, right: Value) -> Value | None:
    """`left - right`."""
    left, right = quantity.widened(left, right), quantity.widened(right, left)
    match left, right:
        case Quantity(), Quantity():
            return _sum(left, right, right.value.copy_negate())
        case Moment(), Quantity():
            return _later(left, right, right.value.copy_negate())
        case _:
            return _calculate(EXACT.subtract, left, right)


def times(left: Value, right: Value) -> Value | None:
    """`left * right`; the unit of a product of quantities is the product of their units."""
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        return quantity.multiply(_as_quantity(left), _as_quantity(right))
    return _calculate(EXACT.multiply, left, right)


def divided_by(left: Value, right: Value) -> Value | None:
    """`left / right`, always a Decimal; nothing for a division by zero."""
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        return quantity.divide(_as_quantity(left), _as_quantity(right))
    ours, theirs = _number(left), _number(right)
    return None if theirs == 0 else QUOTIENT.divide(Decimal(ours), Decimal(theirs))


def div(left: Value, right: Value) -> Value | None:
    """`left div right`: the whole part of the quotient."""
    ours, theirs = _number(left), _number(right)
    if theirs == 0:
        return None
    return int(EXACT.divide(Decimal(ours), Decimal(theirs)).to_integral_value(ROUND_DOWN, EXACT))


def mod(left: Value, right: Value) -> Value | None:
    """`left mod right`: what is left of the division, with the sign of `left`."""
    ours, theirs = _number(left), _number(right)
    if theirs == 0:
        return None
    rest = EXACT.remainder(Decimal(ours), Decimal(theirs))
    return int(rest) if type(left) is int and type(right) is int else rest


def _calculate(operation: Callable[[Number, Number], Decimal], left: Value, right: Value) -> Value:
    result = operation(_number(left), _number(right))
    return int(result) if type(left) is int and type(right) is int else result


def _number(value: Value) -> Number:
    if type(value) is int or isinstance(value, Decimal):
        return value
    raise _mismatch()


def _as_quantity(value: Value) -> Quantity:
    return value if isinstance(value, Quantity) else Quantity(Decimal(_number(value)))


def _sum(left: Quantity, right: Quantity, addend: Decimal) -> Quantity | None:
    """In the unit of `left` when the units are the same, else in base units."""
    if left.unit == right.unit and left.system == right.system:
        return Quantity(EXACT.add(left.value, addend), left.unit, left.system)
    values = quantity.align(left, Quantity(addend, right.unit, right.system))
    return None if values is None else Quantity(EXACT.add(*values), quantity.canonical(left)[1])


def _later(start: Moment, duration: Quantity, amount: Decimal) -> Moment | None:
    unit = duration.calendar or calendar.DEFINITE.get(duration.unit)
    if unit is None or duration.system != quantity.UCUM:
        raise invalid(f"FHIRPath: '{duration.unit[:32]}' is no duration that a date takes")
    try:
        return calendar.add(start, amount, unit)
    except ValueError as error:
        raise invalid(f"FHIRPath: a time does not take the unit '{error}'") from error


def _mismatch() -> HealixError:
    return invalid("FHIRPath: the operands are not of types that go together")


def _operator(name: str, operation: Operation) -> Callable[[Run, Run], Run]:
    def build(left: Run, right: Run) -> Run:
        def run(scope: Scope) -> Items:
            ours, theirs = operand(left(scope), name), operand(right(scope), name)
            if ours is None or theirs is None:
                return EMPTY
            scope.evaluation.spend_on(ours, theirs)
            return calculated(operation, ours, theirs)

        return run

    return build


def operand(items: Items, name: str) -> Value | None:
    """The one value on a side of `name`; None when there is none. Raises Invalid for what is no value."""
    node = single(items, f"an operand of {name}")
    if node is None:
        return None
    value = value_of(node)
    if value is None and type(node.value) is dict:
        raise invalid(f"FHIRPath: {name} does not take {node.type}")
    return value


def calculated(operation: Callable[..., Value | None], *operands: Value) -> Items:
    """The result of a calculation; empty where the numbers are beyond what decimals can hold."""
    try:
        return collection(operation(*operands))
    except (DecimalException, OverflowError):
        return EMPTY


def _concatenate(left: Run, right: Run) -> Run:
    def run(scope: Scope) -> Items:
        ours, theirs = text(left(scope), "the left side of &"), text(right(scope), "the right side of &")
        scope.evaluation.spend_on(ours, theirs)
        return collection((ours or "") + (theirs or ""))

    return run


def negative(run: Run) -> Run:
    """`-operand`. Raises Invalid for what is no number and no quantity."""

    def negate(value: Value) -> Value | None:
        if isinstance(value, Quantity):
            return Quantity(value.value.copy_negate(), value.unit, value.system)
        number = _number(value)
        return number.copy_negate() if isinstance(number, Decimal) else -number

    return _signed(run, negate, "-")


def positive(run: Run) -> Run:
    """`+operand`. Raises Invalid for what is no number and no quantity."""

    def same(value: Value) -> Value | None:
        return value if isinstance(value, Quantity) else _number(value)

    return _signed(run, same, "+")


def _signed(run: Run, operation: Callable[[Value], Value | None], sign: str) -> Run:
    def signed(scope: Scope) -> Items:
        value = operand(run(scope), sign)
        return EMPTY if value is None else calculated(operation, value)

    return signed


OPERATORS: Mapping[str, Callable[[Run, Run], Run]] = MappingProxyType(
    {
        "+": _operator("+", plus),
        "-": _operator("-", minus),
        "*": _operator("*", times),
        "/": _operator("/", divided_by),
        "div": _operator("div", div),
        "mod": _operator("mod", mod),
        "&": _concatenate,
    }
)
