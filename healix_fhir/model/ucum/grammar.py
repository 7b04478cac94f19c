"""Parsing UCUM codes.

A code is a product of components: numbers, terms in parentheses, and unit symbols, which may have a prefix, an exponent
and an annotation. `.` and `/` have equal rank and are read from left to right. An annotation alone is the unit 1.

Spec: UCUM 2.2, section 2.1 (grammar of units and terms), 2.1.1 (character set and lexical rules)
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from healix_fhir.model.ucum.table import symbol
from healix_fhir.model.ucum.unit import ONE, Unit

LENGTH = 200
DEPTH = 20
EXPONENT = 99
MAGNITUDE = 10**1000
"""Limits of a code: characters, parentheses within each other, an exponent, and the size of its factor."""

ANNOTATION = re.compile(r"\{[!-z|~]*\}")  # any visible character but braces
SYMBOL = re.compile(r"(?P<name>10[*^]|(?:\[[!-Z^-~]+\]|[^\d\s()\[\]{}+\-./=\x7f-\U0010ffff])+)(?P<exponent>[+-]?\d+)?")
NUMBER = re.compile(r"[0-9]{1,40}")


@lru_cache(maxsize=4096)
def parse(code: str) -> Unit | None:
    """The unit of a case sensitive UCUM code; None when `code` is none, or is beyond the limits."""
    if not 0 < len(code) <= LENGTH:
        return None
    try:
        unit, end = _term(code, 0, 0)
    except ValueError:
        return None
    return unit if end == len(code) else None


def _term(code: str, at: int, depth: int) -> tuple[Unit, int]:
    """The product that begins at `at`, and where it ends."""
    unit = ONE
    divided = code.startswith("/", at)
    at += divided
    while True:
        component, at = _component(code, at, depth)
        unit = unit.times(component.power(-1) if divided else component)
        size = unit.factor if unit.factor >= 1 else 1 / unit.factor
        if size > MAGNITUDE:
            raise ValueError("too large")
        if code[at : at + 1] not in (".", "/"):
            return unit, at
        divided = code[at] == "/"
        at += 1


def _component(code: str, at: int, depth: int) -> tuple[Unit, int]:
    if (annotation := ANNOTATION.match(code, at)) is not None:
        return ONE, annotation.end()
    unit, at = _annotatable(code, at, depth)
    annotation = ANNOTATION.match(code, at)
    return unit, annotation.end() if annotation else at


def _annotatable(code: str, at: int, depth: int) -> tuple[Unit, int]:
    if code.startswith("(", at):
        if depth == DEPTH:
            raise ValueError("too deep")
        unit, at = _term(code, at + 1, depth + 1)
        if not code.startswith(")", at):
            raise ValueError("a parenthesis is not closed")
        return unit, at + 1
    if (match := SYMBOL.match(code, at)) is not None:
        return _power(symbol(match["name"]), match["exponent"]), match.end()
    if (number := NUMBER.match(code, at)) is not None and int(number[0]):
        return Unit(Fraction(int(number[0]))), number.end()
    raise ValueError("no unit")


def _power(unit: Unit | None, exponent: str | None) -> Unit:
    if unit is None:
        raise ValueError("no such symbol")
    if exponent is None:
        return unit
    if abs(int(exponent[:4])) > EXPONENT or len(exponent) > 4:
        raise ValueError("too large an exponent")
    return unit.power(int(exponent))
