"""Quantities in base units, so that those of the same dimension can be compared.

Calculated exactly, and rounded once to 34 digits: equal quantities have equal canonical values in whatever units they
are written. Special units whose function is no sum (`[pH]`, `B`) are as precise as decimal functions are; angles of
`[p'diop]` and `%[slope]` as double precision is.

Spec: UCUM 2.2, section 2.2; FHIR R4, hl7.org/fhir/R4/datatypes.html#quantity, hl7.org/fhir/R4/search.html#quantity
"""

from __future__ import annotations

from decimal import Context, Decimal, DecimalException, localcontext
from fractions import Fraction

from healix_fhir.model.ucum.grammar import parse

UCUM = "http://unitsofmeasure.org"
"""The code system."""

DIGITS = 34
_EXACT = Context(prec=2500, Emax=9999, Emin=-9999)
_ROUNDED = Context(prec=DIGITS, Emax=9999, Emin=-9999)


def canonical(value: Decimal, code: str) -> tuple[Decimal, str] | None:
    """`value` of the UCUM unit `code` as a number of base units, and the UCUM code of those.

    None when `code` is no UCUM code, or the value lies beyond what such a unit can have.
    """
    unit = parse(code)
    if unit is None or not value.is_finite():
        return None
    try:
        if unit.function is not None:
            with localcontext(_ROUNDED):
                value = unit.function(_scaled(value, unit.scale))
        return _scaled(value, unit.factor), unit.code
    except (DecimalException, OverflowError):
        return None


def comparable(left: str, right: str) -> bool:
    """Whether both are UCUM codes, of the same dimension."""
    one, other = parse(left), parse(right)
    return one is not None and other is not None and one.dimension == other.dimension


def is_unit(code: str) -> bool:
    """Whether `code` is a UCUM code."""
    return parse(code) is not None


def is_ordered(code: str) -> bool:
    """Whether a greater number of the UCUM code is a greater quantity: not so of `[pH]` and homeopathic potencies."""
    unit = parse(code)
    return unit is not None and (unit.function is None or unit.function(Decimal(0)) < unit.function(Decimal(1)))


def _scaled(value: Decimal, factor: Fraction) -> Decimal:
    """`value` times `factor`, rounded once."""
    multiplied = _EXACT.multiply(value, Decimal(factor.numerator))
    return _ROUNDED.divide(multiplied, Decimal(factor.denominator))
