"""One unit in which the values of a target are counted: what is measured in others is converted, if it can be.

Spec: UCUM 2.2; FHIR R4, hl7.org/fhir/R4/datatypes.html#quantity
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from healix_fhir.model.ucum.canonical import UCUM, canonical
from healix_fhir.operation.figures import short

ZERO, ONE, TWO = Decimal(0), Decimal(1), Decimal(2)
LARGEST = 30
"""Powers of ten, either way, beyond which a number measures nobody."""
WRITTEN = 40
"""Characters of a unit that are told."""


class Scale(msgspec.Struct, frozen=True):
    """The unit `code` of `system` (empty: none is told), and how people write it."""

    code: str = "1"
    shown: str = ""
    system: str = UCUM

    def value(self, quantity: dict[str, Any]) -> Decimal | None:
        """A Quantity as a number of this unit; None for one that has no such number, or only a limit of one."""
        number = number_of(quantity)
        if number is None or "comparator" in quantity:
            return None
        other = scale_of(quantity)
        if (other.system, other.code) == (self.system, self.code):
            return number
        if self.system != UCUM or other.system != UCUM:
            return None
        return converted(number, other.code, self.code)


def number_of(quantity: dict[str, Any]) -> Decimal | None:
    """The number of a Quantity, if it has one that can be a measurement."""
    number = Decimal(quantity["value"]) if "value" in quantity else None
    return number if number is None or not number or abs(number.adjusted()) <= LARGEST else None


def scale_of(quantity: dict[str, Any]) -> Scale:
    """The unit of a Quantity: by its code, else by the words in which it is told; without either it is a number."""
    unit, code = quantity.get("unit", ""), quantity.get("code", "")
    if code:
        return Scale(code, (unit or code)[:WRITTEN], quantity.get("system", ""))
    return Scale(unit, unit[:WRITTEN], "") if unit else Scale()


def converted(value: Decimal, code: str, into: str) -> Decimal | None:
    """A number of one UCUM unit as a number of another; None where they cannot be compared."""
    found, line = canonical(value, code), _line(into)
    if found is None or line is None or found[1] != line[2]:
        return None
    origin, step, _ = line
    return short((found[0] - origin) / step)


@lru_cache(maxsize=256)
def _line(code: str) -> tuple[Decimal, Decimal, str] | None:
    """Where 0 of a unit is in base units, how far 1 is from it, and their code; None for units that are no such line,
    as pH, which is compared with its like alone.
    """
    zero, one, two = (canonical(number, code) for number in (ZERO, ONE, TWO))
    if zero is None or one is None or two is None or two[0] - one[0] != one[0] - zero[0]:
        return None
    return zero[0], one[0] - zero[0], zero[1]
