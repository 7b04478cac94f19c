"""What a unit is: a multiple of a product of base units, or a function of one.

Spec: UCUM 2.2, section 2.2 (semantics): dimension, ratio scale, special units
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

Dimension: TypeAlias = tuple[tuple[str, int], ...]
"""Base units (the seven, and each arbitrary unit) with their exponents, in the order of `ORDER`, none of them 0."""

Function: TypeAlias = Callable[[Decimal], Decimal]

ORDER = ("g", "m", "s", "rad", "K", "C", "cd")
"""The order of base units in a canonical unit; arbitrary units follow by their codes."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One of it is `factor` base units of `dimension`.

    Of a special unit, `function` of `scale` times its number gives how many of `factor` times the base units it is.
    """

    factor: Fraction
    dimension: Dimension = ()
    function: Function | None = None
    scale: Fraction = Fraction(1)

    def times(self, other: Unit) -> Unit:
        """The product. Raises ValueError when one is special: only numbers may scale a special unit."""
        special, scalar = (self, other) if self.function else (other, self)
        if special.function is None:
            return Unit(self.factor * other.factor, product(self.dimension, other.dimension))
        if scalar.function or scalar.dimension:
            raise ValueError("a special unit takes part in no product")
        return Unit(special.factor, special.dimension, special.function, special.scale * scalar.factor)

    def power(self, exponent: int) -> Unit:
        """The unit `exponent` times itself. Raises ValueError for a special unit."""
        if exponent == 1:
            return self
        if self.function is not None:
            raise ValueError("a special unit has no powers")
        raised = tuple((base, n * exponent) for base, n in self.dimension) if exponent else ()
        return Unit(self.factor**exponent, raised)

    @property
    def code(self) -> str:
        """The canonical unit: the base units as a UCUM code, `1` of none."""
        return ".".join(base if n == 1 else f"{base}{n}" for base, n in self.dimension) or "1"


ONE = Unit(Fraction(1))


def product(left: Dimension, right: Dimension) -> Dimension:
    """The dimension of a product."""
    exponents = dict(left)
    for base, n in right:
        exponents[base] = exponents.get(base, 0) + n
    return tuple(sorted(((base, n) for base, n in exponents.items() if n), key=_place))


def _place(item: tuple[str, int]) -> tuple[int, str]:
    base = item[0]
    return (ORDER.index(base) if base in ORDER else len(ORDER), base)
