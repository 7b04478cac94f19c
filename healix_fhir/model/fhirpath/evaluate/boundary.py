"""The least and greatest value that an imprecise one may stand for, and how precise a value is.

A precision is the number of digits: after the point for a number, of the whole date and time for a moment (`@2014-01`
has six). Not in N1: from the continuous build, which the official suite tests.

Spec: hl7.org/fhirpath/#lowboundaryprecision-integer-decimal--date--datetime--time
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from types import MappingProxyType

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.fhirpath.evaluate import quantity
from healix_fhir.model.fhirpath.evaluate.function import Arguments, Function, on_both, on_value
from healix_fhir.model.fhirpath.evaluate.moment import EARLIEST, LATEST, Moment
from healix_fhir.model.fhirpath.evaluate.node import EMPTY, Items, Node, boolean
from healix_fhir.model.fhirpath.evaluate.quantity import EXACT, Quantity
from healix_fhir.model.fhirpath.evaluate.scope import Run, Scope, single
from healix_fhir.model.fhirpath.evaluate.system import Value, collection, integer, value_of

DIGITS = (4, 6, 8, 10, 12, 17)
"""The digits of a date and time that ends with its year, month, day, hour, minute and millisecond."""

TIME_DIGITS = (2, 4, 9)
DECIMAL_DIGITS = 8
MOST_DIGITS = 31
HALF = Decimal("0.5")


def _boundary(name: str, *, high: bool) -> Function:
    def build(base: Run, arguments: Arguments) -> Run:
        def run(scope: Scope) -> Items:
            node = single(base(scope), f"the input of {name}()")
            digits = integer(arguments[0].run(scope), f"the precision of {name}()") if arguments else None
            value = None if node is None else value_of(node)
            return EMPTY if value is None else collection(_bound(value, digits, high=high))

        return run

    return Function(0, 1, build)


def _bound(value: Value, digits: int | None, *, high: bool) -> Value | None:
    if isinstance(value, Quantity):
        bound = _number(value.value, digits, high=high)
        return None if bound is None else Quantity(bound, value.unit, value.system)
    if isinstance(value, Moment):
        return _moment(value, digits, high=high)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _number(Decimal(value), digits, high=high)
    raise invalid("FHIRPath: boundaries are of numbers, quantities, dates and times")


def _number(value: Decimal, digits: int | None, *, high: bool) -> Decimal | None:
    """Half of the last digit's unit up or down, rounded outwards; None for a number that is too large for so many."""
    places = DECIMAL_DIGITS if digits is None else digits
    if not 0 <= places <= MOST_DIGITS:
        return None
    half = HALF.scaleb(-_places(value))
    bound = EXACT.add(value, half) if high else EXACT.subtract(value, half)
    try:
        return bound.quantize(Decimal(1).scaleb(-places), ROUND_CEILING if high else ROUND_FLOOR, EXACT)
    except InvalidOperation:
        return None


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _moment(value: Moment, digits: int | None, *, high: bool) -> Moment | None:
    """Filled up to the wanted precision or cut to it; a local time is in the zone that makes it earliest or latest."""
    table = TIME_DIGITS if value.kind == "Time" else DIGITS[:3] if value.kind == "Date" else DIGITS
    if digits is None:
        digits = table[-1]
    if digits not in table:
        return None
    length = table.index(digits) + 1
    parts = list(value.parts)
    while len(parts) < length:
        parts.append(_fill(value.kind, parts, high=high))
    if length == len(table) and value.kind != "Date":
        parts[-1] = _milliseconds(Decimal(parts[-1]), high=high)
    zone = value.zone
    if zone is None and value.kind == "DateTime" and length > 3:
        zone = LATEST if high else EARLIEST
    return Moment(value.kind, tuple(parts[:length]), zone)


def _fill(kind: str, parts: list[int | Decimal], *, high: bool) -> int | Decimal:
    """The least or greatest value of the part that comes after `parts`."""
    place = len(parts) + (3 if kind == "Time" else 0)
    if place == 2:
        return monthrange(int(parts[0]), int(parts[1]))[1] if high else 1
    if place == 5:
        return Decimal("59.999") if high else Decimal("0.000")
    return {1: (1, 12), 3: (0, 23), 4: (0, 59)}[place][high]


def _milliseconds(second: Decimal, *, high: bool) -> Decimal:
    """The seconds with three digits of a fraction."""
    places = _places(second)
    if places >= 3:
        return second.quantize(Decimal("0.001"), ROUND_CEILING if high else ROUND_FLOOR, EXACT)
    rest = (Decimal(1).scaleb(-places) - Decimal("0.001")) if high else Decimal(0)
    return (second + rest).quantize(Decimal("0.001"), context=EXACT)


def _precision(value: Value) -> int:
    if isinstance(value, Moment):
        table = TIME_DIGITS if value.kind == "Time" else DIGITS
        return table[len(value.parts) - 1] if not _whole_second(value) else table[-1] - 3
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _places(Decimal(value))
    raise invalid("FHIRPath: precision() is of a number, a date or a time")


def _whole_second(value: Moment) -> bool:
    last = value.parts[-1]
    return isinstance(last, Decimal) and _places(last) == 0


def _comparable(items: Items, others: Items, _scope: Scope) -> Items:
    left, right = _quantity(items), _quantity(others)
    if left is None or right is None:
        return EMPTY
    return boolean(quantity.align(left, right) is not None)


def _quantity(items: Items) -> Quantity | None:
    node: Node | None = single(items, "what comparable() compares")
    value = None if node is None else value_of(node)
    if value is not None and not isinstance(value, Quantity):
        raise invalid("FHIRPath: comparable() is of quantities")
    return value


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "comparable": on_both(_comparable),
        "highBoundary": _boundary("highBoundary", high=True),
        "lowBoundary": _boundary("lowBoundary", high=False),
        "precision": on_value("precision", _precision),
    }
)
