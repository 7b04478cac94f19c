"""The unit symbols of UCUM and their prefixes.

Spec: UCUM 2.2, tables 1 to 26
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path

from healix_fhir.model.ucum.special import FUNCTIONS
from healix_fhir.model.ucum.unit import Unit

PREFIXES: Mapping[str, Fraction] = {
    **{
        prefix: Fraction(10) ** exponent
        for prefix, exponent in {
            "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
            "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
        }.items()
    },
    **{prefix: Fraction(2) ** exponent for prefix, exponent in {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}.items()},
}  # fmt: skip


@cache
def _rows() -> Mapping[str, tuple[str, ...]]:
    lines = Path(__file__).with_name("units.txt").read_text(encoding="ascii").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {code: tuple(rest) for code, *rest in rows}


def symbols() -> tuple[str, ...]:
    """Every unit symbol, without prefixes."""
    return tuple(_rows())


def symbol(name: str) -> Unit | None:
    """The unit of a symbol, with or without a prefix; a symbol of its own comes before a prefixed one (`cd`, `min`)."""
    unit = atom(name)
    if unit is not None:
        return unit
    for length in (2, 1):
        factor = PREFIXES.get(name[:length])
        if factor is not None and takes_prefix(name[length:]):
            unit = atom(name[length:])
            assert unit is not None
            return unit.times(Unit(factor))
    return None


def takes_prefix(name: str) -> bool:
    """Whether `name` is a metric unit."""
    row = _rows().get(name)
    return row is not None and (row[0] == "base" or row[0].partition(":")[0].endswith("metric"))


@cache
def atom(name: str) -> Unit | None:
    """The unit of a symbol without a prefix; None when UCUM has none of this name."""
    row = _rows().get(name)
    if row is None:
        return None
    kind, *of = row
    if not of:
        return Unit(Fraction(1), ((name, 1),))
    factor, code = of
    # the table's units are terms themselves
    from healix_fhir.model.ucum.grammar import parse

    proper = parse(code)
    assert proper is not None, f"units.txt: {name}"
    unit = Unit(Fraction(Decimal(factor)) * proper.factor, proper.dimension)
    function = kind.partition(":")[2]
    return Unit(unit.factor, unit.dimension, FUNCTIONS[function]) if function else unit
