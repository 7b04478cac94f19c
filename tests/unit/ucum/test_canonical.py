"""Quantities in base units, against conversions that are known."""

from __future__ import annotations

from decimal import Decimal

import pytest

from healix_fhir.model.ucum.canonical import canonical, comparable


@pytest.mark.spec("UCUM 2.2 #section-Semantics")
@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("1", "mg"), ("0.001", "g")),
        (("1", "[lb_av]"), ("453.59237", "g")),
        (("1", "[in_i]"), ("2.54", "cm")),
        (("12", "[in_i]"), ("1", "[ft_i]")),
        (("1", "[gal_us]"), ("3.785411784", "L")),
        (("1", "L"), ("1", "dm3")),
        (("1", "mm[Hg]"), ("133.322", "Pa")),
        (("1", "atm"), ("101325", "Pa")),
        (("1", "kat"), ("60000000", "U")),
        (("1", "mol"), ("602.214076", "10*21")),
        (("1", "meq/L"), ("1", "mmol/L")),
        (("37", "Cel"), ("98.6", "[degF]")),
        (("0", "Cel"), ("273.15", "K")),
        (("-40", "Cel"), ("-40", "[degF]")),
        (("80", "[degRe]"), ("100", "Cel")),
        (("9", "[degF]"), ("468.67", "[degR]")),
        (("7", "[pH]"), ("0.1", "umol/L")),
        (("20", "dB"), ("100", "1")),
        (("3", "bit_s"), ("8", "1")),
        (("2", "[hp'_C]"), ("0.0001", "1")),
        (("4", "[m/s2/Hz^(1/2)]"), ("16", "m2/s4/Hz")),
        (("1000", "mCel"), ("1", "Cel")),
        (("24", "h"), ("1", "d")),
        (("1", "a"), ("365.25", "d")),
        (("180", "deg"), ("1", "[pi].rad")),
        (("70", "{beats}/min"), ("70", "/min")),
        (("1", "1/3.m"), ("1", "m/3")),
        (("1", "[IU]/mL"), ("1000", "[iU]/L")),
        (("1", "KiBy"), ("8192", "bit")),
    ],
)
def test_equal_quantities_have_one_canonical_value(left: tuple[str, str], right: tuple[str, str]) -> None:
    """The same amount in two units is the same number of the same base units."""
    assert canonical(Decimal(left[0]), left[1]) == canonical(Decimal(right[0]), right[1]) is not None


def test_an_angle_of_a_prism_is_calculated_in_double_precision() -> None:
    """100 prism dioptres are a slope of 100 %, which is 45 degrees."""
    for code in ("[p'diop]", "%[slope]"):
        found, straight = canonical(Decimal(100), code), canonical(Decimal(45), "deg")
        assert found is not None
        assert straight is not None
        assert abs(found[0] - straight[0]) < Decimal("1e-14")


@pytest.mark.parametrize(
    ("value", "code"),
    [("1", "furlong"), ("NaN", "m"), ("Infinity", "m"), ("1e999999999", "mg"), ("1e9999", "km"), ("1e9", "B")],
)
def test_what_has_no_canonical_value_is_none(value: str, code: str) -> None:
    """No unit, no number, or a number beyond all measure."""
    assert canonical(Decimal(value), code) is None


def test_units_of_one_dimension_are_comparable() -> None:
    """Arbitrary units are comparable with themselves only."""
    assert comparable("mol/L", "mmol/dL")
    assert comparable("[degF]", "K")
    assert comparable("[iU]/mL", "k[IU]/L")
    assert not comparable("mg", "mL")
    assert not comparable("[iU]", "[arb'U]")
    assert not comparable("[iU]", "1")
    assert not comparable("pint", "pint")
