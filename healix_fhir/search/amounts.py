"""Numbers and quantities as intervals: what the index holds of them, and by which keys.

An `Amount` says from where to where a value reaches, as it is written and, where its unit can be compared with others,
once more in a common unit: the base units of UCUM, or the unit itself if it is of another system. Both ends belong to
it; an end that does not (`Quantity.comparator` `<` and `>`) is moved by less than any number that is asked for, so
that one comparison serves both. Numbers are kept with 34 digits.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#number, hl7.org/fhir/R4/search.html#quantity
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

from healix_fhir.kernel.hashing import key64
from healix_fhir.model.ucum.canonical import UCUM, canonical, is_ordered

CURRENCY = "urn:iso:std:iso:4217"
BELOW_ALL, ABOVE_ALL = Decimal("-Infinity"), Decimal("Infinity")
KEPT = Context(prec=34, Emin=-999, Emax=999, traps=[])
"""Numbers as they are kept: what is too large is infinite, what is too small is 0."""
HAIR = Context(prec=40, Emin=-999, Emax=999, traps=[])
"""One step here lies between any two numbers that are kept."""


class Amount(NamedTuple):
    """One value. `hi` and `base_hi` are None where they equal the low end; the base is None without a known unit.

    `unit` is the key of the common unit; `code` and `label` are the keys of the unit's code and of its text.
    """

    lo: Decimal
    hi: Decimal | None
    unit: int | None = None
    base_lo: Decimal | None = None
    base_hi: Decimal | None = None
    code: int | None = None
    label: int | None = None


class Measure(NamedTuple):
    """What numbers of a unit are turned into: the key of the common unit, and a function into it."""

    unit: int
    base: Callable[[Decimal], Decimal | None]


def parameter_key(param_id: int) -> int:
    """The key of a number or quantity parameter."""
    return key64(f"{param_id}#")


def name_key(name: str) -> int:
    """The key of a unit's code or text, whatever its system."""
    return key64(name)


@lru_cache(maxsize=4096)
def measure(system: str, code: str) -> Measure:
    """The common unit of `code`; units of UCUM whose order is that of their quantities share one for each dimension."""
    if system == UCUM and is_ordered(code) and (one := canonical(Decimal(1), code)) is not None:
        return Measure(key64(f"{UCUM} {one[1]}"), lambda number: _first(canonical(number, code)))
    return Measure(key64(f"{system}|{code}"), lambda number: number)


def _first(found: tuple[Decimal, str] | None) -> Decimal | None:
    return None if found is None else found[0]


def number(value: Decimal | int) -> Amount | None:
    """A number without a unit."""
    return _amount(*_point(value), {})


def quantity(value: Mapping[str, Any]) -> Amount | None:
    """A Quantity or one of its specialisations; none without a value."""
    if "value" not in value:
        return None
    unit = tuple((name, value[name]) for name in ("system", "code", "unit") if name in value)
    return _quantity(value["value"], value.get("comparator"), unit)


@lru_cache(maxsize=8192)
def _quantity(number: Decimal | int, comparator: str | None, unit: tuple[tuple[str, str], ...]) -> Amount:
    """A value stands under several parameters of its resource, and the same values come again and again."""
    return _amount(*_compared(_kept(number), comparator), dict(unit))


def _compared(value: Decimal, comparator: str | None) -> tuple[Decimal, Decimal]:
    """Where the true value may lie. Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html#quantity (comparator)"""
    match comparator:
        case "<":
            return BELOW_ALL, HAIR.next_minus(value)
        case "<=":
            return BELOW_ALL, value
        case ">":
            return HAIR.next_plus(value), ABOVE_ALL
        case ">=":
            return value, ABOVE_ALL
        case _:
            return value, value


def money(value: Mapping[str, Any]) -> Amount | None:
    """Money: its currency is a unit of ISO 4217."""
    if "value" not in value:
        return None
    unit = {"system": CURRENCY, "code": value["currency"]} if "currency" in value else {}
    return _amount(*_point(value["value"]), unit)


def span(value: Mapping[str, Any]) -> Amount | None:
    """A Range, open where it has no end; its unit is that of an end that has one."""
    low, high = value.get("low", {}), value.get("high", {})
    if "value" not in low and "value" not in high:
        return None
    lo = _kept(low["value"]) if "value" in low else BELOW_ALL
    hi = _kept(high["value"]) if "value" in high else ABOVE_ALL
    unit = low if "code" in low or "unit" in low else high
    return _amount(lo, hi, unit) if lo <= hi else _amount(hi, lo, unit)


def sampled(value: Mapping[str, Any]) -> Amount | None:
    """SampledData: from the least to the greatest of its samples, or between its limits where it has no samples.

    Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html#SampledData
    """
    origin = value.get("origin", {})
    zero, factor = Decimal(origin.get("value", 0)), Decimal(value.get("factor", 1))
    limits = {"L": value.get("lowerLimit"), "U": value.get("upperLimit")}
    samples = list(_samples(value.get("data", ""), limits))
    if not samples:
        samples = [Decimal(limit) for limit in limits.values() if limit is not None]
    if not samples:
        return None
    ends = sorted(KEPT.add(zero, KEPT.multiply(end, factor)) for end in (min(samples), max(samples)))
    return _amount(ends[0], ends[1], origin)


def _samples(data: str, limits: Mapping[str, Any]) -> Iterable[Decimal]:
    """The numbers of `data`; L and U stand for a limit, E for an error."""
    for word in data.split():
        if word in limits:
            if limits[word] is not None:
                yield Decimal(limits[word])
            continue
        try:
            sample = Decimal(word)
        except InvalidOperation:
            continue
        if sample.is_finite():
            yield sample


def _kept(value: Decimal | int) -> Decimal:
    return KEPT.plus(Decimal(value))


def _point(value: Decimal | int) -> tuple[Decimal, Decimal]:
    kept = _kept(value)
    return kept, kept


def _amount(lo: Decimal, hi: Decimal, unit: Mapping[str, Any]) -> Amount:
    code, label = unit.get("code"), unit.get("unit")
    named = (None if code is None else name_key(code), None if label in (None, code) else name_key(label))
    high = None if hi == lo else hi
    if code is None or "system" not in unit:
        return Amount(lo, high, None, None, None, *named)
    known = measure(unit["system"], code)
    base_lo, base_hi = _base(known, lo), None if high is None else _base(known, high)
    if base_lo is None or (high is not None and base_hi is None):
        return Amount(lo, high, None, None, None, *named)
    return Amount(lo, high, known.unit, base_lo, base_hi, *named)


def _base(known: Measure, end: Decimal) -> Decimal | None:
    """An end in the common unit; one moved by a hair is moved by a hair there too."""
    if not end.is_finite():
        return end
    kept = KEPT.plus(end)
    base = known.base(kept)
    if base is None or kept == end:
        return base
    return HAIR.next_plus(base) if end > kept else HAIR.next_minus(base)
