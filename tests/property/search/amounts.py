"""Random numbers and quantities in resources, and searches for them with a naive reading of the rules.

A value is a set of numbers between two ends, each of which may belong to it or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from random import Random

from tests.property.search.question import Json, Question

UCUM = "http://unitsofmeasure.org"
FACTORS = {"g": Fraction(1), "mg": Fraction(1, 1000), "kg": Fraction(1000), "[lb_av]": Fraction("453.59237")}
FOREIGN = ("urn:units", "pill")
NUMBERS = ("0", "1", "5", "5.0", "5.4", "5.40", "5.35", "5.45", "-5.4", "100", "1e2", "99.5", "100.5", "0.005", "4.999")
PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
INFINITE = Fraction(10**40)


@dataclass(frozen=True)
class Span:
    """The numbers from `lo` to `hi`, with or without these."""

    lo: Fraction
    hi: Fraction
    lo_open: bool = False
    hi_open: bool = False

    def times(self, factor: Fraction) -> Span:
        """In another unit; what is infinite stays so."""
        return Span(_times(self.lo, factor), _times(self.hi, factor), self.lo_open, self.hi_open)


def _times(end: Fraction, factor: Fraction) -> Fraction:
    return end if abs(end) == INFINITE else end * factor


def quantity(random: Random) -> Json:
    """A Quantity: of UCUM, of another system, with a text only, without any unit."""
    value: Json = {"value": Decimal(random.choice(NUMBERS))}
    if random.random() < 0.3:
        value["comparator"] = random.choice(["<", "<=", ">", ">="])
    match random.randrange(6):
        case 0:
            value |= {"unit": random.choice(["mg", "pill"])}
        case 1:
            value |= {"system": FOREIGN[0], "code": FOREIGN[1], "unit": "pills"}
        case 2:
            pass
        case _:
            value |= {"system": UCUM, "code": random.choice(list(FACTORS)), "unit": random.choice(["mg", "gram"])}
    return value


def span_of(value: Json) -> Span:
    """What a Quantity says its value may be."""
    number = Fraction(value["value"])
    match value.get("comparator"):
        case "<":
            return Span(-INFINITE, number, hi_open=True)
        case "<=":
            return Span(-INFINITE, number)
        case ">":
            return Span(number, INFINITE, lo_open=True)
        case ">=":
            return Span(number, INFINITE)
        case _:
            return Span(number, number)


def compares(prefix: str, text: str, target: Span, factor: Fraction = Fraction(1)) -> bool:
    """Whether a value compares with a number of a search, both brought to one unit by `factor` of the latter."""
    number = Fraction(text)
    half = Fraction(5, 10) * _last_digit(text)
    lo, hi, exact = (number - half) * factor, (number + half) * factor, number * factor
    reach = max(abs(number) / 10, half)
    match prefix or "eq":
        case "eq":
            return target.lo >= lo and target.hi < hi
        case "ne":
            return not (target.lo >= lo and target.hi < hi)
        case "gt":
            return target.hi > exact
        case "lt":
            return target.lo < exact
        case "ge":
            return target.hi > exact or (target.hi == exact and not target.hi_open)
        case "le":
            return target.lo < exact or (target.lo == exact and not target.lo_open)
        case "sa":
            return target.lo > exact or (target.lo == exact and target.lo_open)
        case "eb":
            return target.hi < exact or (target.hi == exact and target.hi_open)
        case _:
            return _overlaps(target, (number - reach) * factor, (number + reach) * factor)


def _overlaps(target: Span, lo: Fraction, hi: Fraction) -> bool:
    below = target.hi < lo or (target.hi == lo and target.hi_open)
    above = target.lo > hi or (target.lo == hi and target.lo_open)
    return not (below or above)


def _last_digit(text: str) -> Fraction:
    digits, _, exponent = text.partition("e")
    places = len(digits.partition(".")[2])
    return Fraction(10) ** (int(exponent or 0) - places)


def number_question(
    random: Random, type_name: str, name: str, numbers: Callable[[Json], Iterator[Fraction]]
) -> Question:
    """A search for a number."""
    prefix, text = random.choice(PREFIXES), random.choice(NUMBERS)
    return Question(
        type_name,
        name,
        prefix + text,
        lambda resource: any(compares(prefix, text, Span(number, number)) for number in numbers(resource)),
    )


def quantity_question(random: Random, type_name: str, name: str, values: Callable[[Json], Iterator[Json]]) -> Question:
    """A search for a quantity, with or without a unit."""
    prefix, text = random.choice(PREFIXES), random.choice(NUMBERS)
    of_unit, ucum = unit(random)

    def holds(resource: Json) -> bool:
        return any(matches(prefix, text, value, of_unit, ucum) for value in values(resource))

    return Question(type_name, name, prefix + text + of_unit, holds)


def unit(random: Random) -> tuple[str, str]:
    """The unit of a search, and its UCUM code if it has one."""
    kind = random.randrange(4)
    if kind == 0:
        return "", ""
    if kind == 1:
        return f"||{random.choice(['mg', 'pill', 'pills', 'gram'])}", ""
    if kind == 2:
        return "|" + "|".join(FOREIGN), ""
    code = random.choice(list(FACTORS))
    return f"|{UCUM}|{code}", code


def matches(prefix: str, text: str, value: Json, of_unit: str, code: str) -> bool:
    """Whether a Quantity matches `prefix text unit`; `code` is the unit's UCUM code if it has one."""
    span = span_of(value)
    if not of_unit:
        return compares(prefix, text, span)
    if of_unit.startswith("||"):
        return of_unit[2:] in (value.get("code"), value.get("unit")) and compares(prefix, text, span)
    if not code:
        return value.get("system") == FOREIGN[0] and compares(prefix, text, span)
    if value.get("system") != UCUM:
        return False
    return compares(prefix, text, span.times(FACTORS[value["code"]]), FACTORS[code])
