"""The grammar of `_filter`: tests of parameters, joined by `and`, `or`, `not` and parentheses.

Logical expressions are read from left to right; `and` and `or` bind alike. A value is a JSON string, or everything up
to white space, `)` or `]`. A path is a chain of parameters, each with a filter of its own in brackets if it has one.

Spec: FHIR R4, hl7.org/fhir/R4/search_filter.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import msgspec

from healix_fhir.kernel.errors import HealixError, invalid

LONGEST = 4000
DEEPEST = 20
TESTS = 50
LEXEMES = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<mark>[()\[\]])|(?P<dot>\.(?=[A-Za-z_]))|(?P<word>[^\s()\[\]"]+))"""
)
NAME = re.compile(r"[A-Za-z_][\w:-]*")


class Operator(StrEnum):
    """How a test compares."""

    EQ = "eq"
    NE = "ne"
    CO = "co"
    SW = "sw"
    EW = "ew"
    GT = "gt"
    LT = "lt"
    GE = "ge"
    LE = "le"
    AP = "ap"
    SA = "sa"
    EB = "eb"
    PR = "pr"
    PO = "po"
    SS = "ss"
    SB = "sb"
    IN = "in"
    RE = "re"


@dataclass(frozen=True, slots=True)
class Step:
    """A parameter of a path, with the filter that its resource fulfils."""

    name: str
    filter: Filter | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`path operator value`."""

    path: tuple[Step, ...]
    operator: Operator
    value: str


@dataclass(frozen=True, slots=True)
class Both:
    """`left and right`."""

    left: Filter
    right: Filter


@dataclass(frozen=True, slots=True)
class Either:
    """`left or right`."""

    left: Filter
    right: Filter


@dataclass(frozen=True, slots=True)
class Negated:
    """`not (inner)`."""

    inner: Filter


Filter: TypeAlias = Comparison | Both | Either | Negated


def parse_filter(text: str) -> Filter:
    """The expression of a `_filter`. Raises Invalid, with the place where it cannot be read."""
    if len(text) > LONGEST:
        raise invalid(f"_filter takes at most {LONGEST} characters", code="too-costly")
    parser = _Parser(text)
    found = parser.expression(0)
    if parser.peek() is not None:
        raise parser.unexpected()
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._lexemes = _lexemes(text)
        self._next = 0
        self._tests = 0

    def expression(self, depth: int) -> Filter:
        """Terms from left to right."""
        if depth > DEEPEST:
            raise invalid(f"_filter takes at most {DEEPEST} levels", code="too-costly")
        left = self._term(depth)
        while (word := self.peek()) in ("and", "or"):
            self._take()
            right = self._term(depth)
            left = Both(left, right) if word == "and" else Either(left, right)
        return left

    def peek(self) -> str | None:
        """The next lexeme; None at the end."""
        return self._lexemes[self._next][0] if self._next < len(self._lexemes) else None

    def unexpected(self) -> HealixError:
        """The refusal of what stands next."""
        place = self._lexemes[self._next][1] if self._next < len(self._lexemes) else len(self._text)
        rest = self._text[place : place + 30]
        return invalid(f"_filter: cannot be read from character {place + 1} on: '{rest}'", code="value")

    def _term(self, depth: int) -> Filter:
        if self.peek() == "not" and self._ahead() == "(":
            self._take()
            return Negated(self._bracketed("(", ")", depth))
        if self.peek() == "(":
            return self._bracketed("(", ")", depth)
        return self._test(depth)

    def _bracketed(self, opening: str, closing: str, depth: int) -> Filter:
        self._expect(opening)
        inner = self.expression(depth + 1)
        self._expect(closing)
        return inner

    def _test(self, depth: int) -> Filter:
        self._tests += 1
        if self._tests > TESTS:
            raise invalid(f"_filter takes at most {TESTS} tests", code="too-costly")
        path = self._path(depth)
        word = self.peek()
        if word not in list(Operator):
            raise self.unexpected()
        self._take()
        return Comparison(path, Operator(word), self._value())

    def _path(self, depth: int) -> tuple[Step, ...]:
        steps: list[Step] = []
        while True:
            *names, last = (self.peek() or "").split(".")
            if not all(NAME.fullmatch(name) for name in (*names, last)):
                raise self.unexpected()
            self._take()
            inner = self._bracketed("[", "]", depth) if self.peek() == "[" else None
            steps += [*(Step(name) for name in names), Step(last, inner)]
            if self.peek() != ".":
                return tuple(steps)
            self._take()

    def _value(self) -> str:
        value = self.peek()
        if value is None or value in tuple("()[]."):
            raise self.unexpected()
        self._take()
        if value.startswith('"'):
            try:
                return msgspec.json.decode(value, type=str)
            except msgspec.DecodeError as error:
                raise invalid(f"_filter: {value[:50]} is no JSON string", code="value") from error
        return value

    def _ahead(self) -> str | None:
        return self._lexemes[self._next + 1][0] if self._next + 1 < len(self._lexemes) else None

    def _take(self) -> None:
        self._next += 1

    def _expect(self, mark: str) -> None:
        if self.peek() != mark:
            raise self.unexpected()
        self._take()


def _lexemes(text: str) -> list[tuple[str, int]]:
    """Strings, brackets and words, each with its place."""
    found: list[tuple[str, int]] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = LEXEMES.match(text, position)
        if match is None:
            raise invalid(f"_filter: cannot be read from character {position + 1} on", code="value")
        assert match.lastgroup is not None
        found.append((match[match.lastgroup], match.start(match.lastgroup)))
        position = match.end()
    return found
