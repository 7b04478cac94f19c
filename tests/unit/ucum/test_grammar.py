"""Which texts are UCUM codes, and what they multiply out to."""

from __future__ import annotations

import pytest

from healix_fhir.model.ucum.canonical import is_unit
from healix_fhir.model.ucum.grammar import parse
from healix_fhir.model.ucum.table import atom, symbols


@pytest.mark.spec("UCUM 2.2 tables 1 to 26")
def test_every_unit_of_the_tables_is_read() -> None:
    """All 312 symbols have a unit, which is also what their code is parsed to."""
    assert len(symbols()) == 312
    for symbol in symbols():
        assert atom(symbol) is not None
        assert parse(symbol) == atom(symbol)


@pytest.mark.spec("UCUM 2.2 #section-Syntax-Rules")
@pytest.mark.parametrize(
    ("code", "base"),
    [
        ("1", "1"),
        ("{cells}", "1"),
        ("%", "1"),
        ("10*3/uL", "m-3"),
        ("10^-6", "1"),
        ("/min", "s-1"),
        ("{beats}/min", "s-1"),
        ("/100{WBCs}", "1"),
        ("g/(8.h){shift}", "g.s-1"),
        ("kg.m/s2", "g.m.s-2"),
        ("kg/m/s2", "g.m-1.s-2"),
        ("kg/(m.s2)", "g.m-1.s-2"),
        ("g/s.m", "g.m.s-1"),  # from left to right
        ("mL/min/{1.73_m2}", "m3.s-1"),
        ("m2.m-2", "1"),
        ("m+2", "m2"),
        ("cm[H2O]/L/s", "g.m-4.s-3"),
        ("[iU]/mL", "m-3.[iU]"),
        ("mm[Hg]", "g.m-1.s-2"),
        ("[in_i'Hg]", "g.m-1.s-2"),
        ("B[10.nV]", "g.m2.s-2.C-1"),
        ("[m/s2/Hz^(1/2)]", "m2.s-3"),
        ("cal_[15]", "g.m2.s-2"),
        ("10.Cel", "K"),
        ("mmol/L", "m-3"),
    ],
)
def test_a_code_has_base_units(code: str, base: str) -> None:
    """Products, quotients, exponents, numbers, parentheses and annotations."""
    unit = parse(code)
    assert unit is not None
    assert unit.code == base


@pytest.mark.spec("UCUM 2.2 #section-Syntax-Rules")
@pytest.mark.parametrize(
    "code",
    [
        "", " ", "mg ", "m g", "MM", "foo", "k", "kh", "k[ft_i]", "m/", "m.", ".m", "m..s", "m//s", "(m", "m)", "()",
        "m--1", "5m", "0", "m/0", "{a}m", "m{a}{b}", "m{a", "m}", "m{é}", "µg", "Cel/s", "Cel2", "Cel.Cel", "m9999",
        "Ym99.Ym99", "[iU", "iU]", "(" * 30 + "m" + ")" * 30, "m." * 100 + "m", "\U0010ffff", "m\n", "1" * 60,
    ],
)  # fmt: skip
def test_what_is_no_unit_is_none(code: str) -> None:
    """Unknown symbols, misplaced prefixes and special units, broken syntax, what is beyond the limits."""
    assert not is_unit(code)


def test_a_whole_symbol_comes_before_a_prefix() -> None:
    """`cd` is a candela and `min` a minute; `dar` are ten square metres and `Pa` a pascal."""
    for code, base in {"cd": "cd", "min": "s", "dar": "m2", "Pa": "g.m-1.s-2"}.items():
        unit = parse(code)
        assert unit is not None
        assert unit.code == base
