"""Quantities of FHIRPath: a number with a UCUM unit or a calendar duration.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#quantity
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import Any

import msgspec

from healix_fhir.model.fhirpath.parser import CALENDAR_UNITS
from healix_fhir.model.ucum import canonical as ucum

FORM = re.compile(r"(?P<value>[+-]?[0-9]+(?:\.[0-9]+)?)\s*(?:'(?P<unit>[^']+)'|(?P<calendar>[a-z]+))?")
LONGEST = 200
UCUM = "http://unitsofmeasure.org"

SECONDS: dict[str, int | Decimal] = {
    "week": 7 * 86400,
    "day": 86400,
    "hour": 3600,
    "minute": 60,
    "second": 1,
    "millisecond": Decimal("0.001"),
}
"""The calendar durations that are as long as the UCUM unit of the same name. Years and months are not."""

MONTHS = {"year": 12, "month": 1}

IN_UCUM = {
    "year": "a", "month": "mo", "week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s",
    "millisecond": "ms",
}  # fmt: skip
"""How a calendar duration is written in the unit of a product."""

EXACT = Context(prec=60)
"""The arithmetic of decimals: more digits than any exact result of a few steps has."""

QUOTIENT = Context(prec=28)
"""The arithmetic of what has no exact result. Spec: FHIRPath N1, hl7.org/fhirpath/N1/#decimal"""

SECOND = "s"
MONTH = "month"  # as a canonical unit: comparable with no unit of UCUM


class Quantity(msgspec.Struct, frozen=True):
    """A value and its unit: a UCUM code, or a calendar word as it was written, `year` or `years`.

    A unit of another `system` is what an element of FHIR may have.
    """

    value: Decimal
    unit: str = "1"
    system: str = UCUM

    @property
    def calendar(self) -> str:
        """The calendar unit in the singular; empty for a UCUM unit."""
        return self.unit.removesuffix("s") if self.unit in CALENDAR_UNITS else ""

    def __str__(self) -> str:
        """The form in which FHIRPath writes it."""
        return f"{self.value:f} {self.unit}" if self.calendar else f"{self.value:f} '{self.unit}'"


def widened(value: Any, other: Any) -> Any:
    """`value` as a Quantity where it is a number beside one; else itself.

    Spec: FHIRPath N1, hl7.org/fhirpath/N1/#conversion (implicit conversions)
    """
    if isinstance(other, Quantity) and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Quantity(Decimal(value))
    return value


def parse(text: str) -> Quantity | None:
    """The quantity that `text` writes, without unit a number; None where it writes none."""
    match = FORM.fullmatch(text) if len(text) <= LONGEST else None
    if match is None or (match["calendar"] and match["calendar"] not in CALENDAR_UNITS):
        return None
    return Quantity(Decimal(match["value"]), match["unit"] or match["calendar"] or "1")


def canonical(quantity: Quantity) -> tuple[Decimal, str]:
    """The value in a unit that all quantities of the same dimension share, and that unit.

    A unit that UCUM does not know is comparable with itself only.
    """
    value, unit = quantity.value, quantity.unit
    if quantity.system != UCUM:
        return value, f"{quantity.system}|{unit}"
    calendar = quantity.calendar
    if calendar in MONTHS:
        return EXACT.multiply(value, Decimal(MONTHS[calendar])), MONTH
    if calendar:
        return EXACT.multiply(value, Decimal(SECONDS[calendar])), SECOND
    return ucum.canonical(value, unit) or (value, f"unknown {unit}")


def align(left: Quantity, right: Quantity) -> tuple[Decimal, Decimal] | None:
    """The values of both in one unit; None where they are not comparable."""
    if left.unit == right.unit and left.system == right.system:
        return left.value, right.value
    ours, theirs = canonical(left), canonical(right)
    return (ours[0], theirs[0]) if ours[1] == theirs[1] else None


def convert(quantity: Quantity, unit: str) -> Quantity | None:
    """The same quantity in another unit; None where the units are not multiples of each other."""
    if quantity.unit == unit:
        return quantity
    values, zero = align(quantity, Quantity(Decimal(1), unit)), canonical(Quantity(Decimal(0), unit))[0]
    return Quantity(QUOTIENT.divide(*values), unit) if values and values[1] and not zero else None


def multiply(left: Quantity, right: Quantity) -> Quantity | None:
    """The product; None where a unit is no UCUM unit."""
    value = EXACT.multiply(left.value, right.value)
    if right.unit == "1" or left.unit == "1":
        return Quantity(value, left.unit if right.unit == "1" else right.unit)
    return _derived(value, f"({_ucum(left)}).({_ucum(right)})", left, right)


def divide(left: Quantity, right: Quantity) -> Quantity | None:
    """The quotient; None for a division by zero, and where a unit is no UCUM unit."""
    if right.value == 0:
        return None
    value = QUOTIENT.divide(left.value, right.value)
    if right.unit == "1":
        return Quantity(value, left.unit)
    if left.unit == right.unit and left.system == right.system:
        return Quantity(value)
    return _derived(value, f"({_ucum(left)})/({_ucum(right)})", left, right)


def _derived(value: Decimal, unit: str, left: Quantity, right: Quantity) -> Quantity | None:
    return Quantity(value, unit) if left.system == right.system == UCUM else None


def _ucum(quantity: Quantity) -> str:
    return IN_UCUM.get(quantity.calendar, quantity.unit)
