"""Special units: what the number of one says in its proper unit.

`units.txt` names for each special unit one of these functions, and the unit of the function's result.

Spec: UCUM 2.2, section 3.4 (special units on non-ratio scales), tables 1, 14, 15, 17, 22, 23, 26
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

from healix_fhir.model.ucum.unit import Function

ZERO_CELSIUS = Decimal("273.15")
ZERO_FAHRENHEIT = Decimal("459.67")
ZERO_REAUMUR = Decimal("218.52")


def _power(base: int, divisor: int = 1) -> Function:
    return lambda number: Decimal(base) ** (number / divisor)


def _root(base: int) -> Function:
    return lambda number: Decimal(base) ** -number


def _arctangent(number: Decimal) -> Decimal:
    """In double precision: an angle's 15 digits are more than any prism has."""
    return Decimal(repr(math.atan(float(number / 100))))


def _arctangent_degrees(number: Decimal) -> Decimal:
    return Decimal(repr(math.degrees(math.atan(float(number / 100)))))


FUNCTIONS: Mapping[str, Function] = {
    "celsius": lambda number: number + ZERO_CELSIUS,
    "fahrenheit": lambda number: number + ZERO_FAHRENHEIT,
    "reaumur": lambda number: number + ZERO_REAUMUR,
    "prism": _arctangent,
    "slope": _arctangent_degrees,
    "ph": _root(10),
    "ln": lambda number: number.exp(),
    "lg": _power(10),
    "lg2": _power(10, 2),
    "ld": _power(2),
    "sqrt": lambda number: number * number,
    "potency10": _root(10),
    "potency100": _root(100),
    "potency1000": _root(1000),
    "potency50000": _root(50000),
}
"""By name: from the number of the special unit to the number of its proper unit."""
