"""The words of a FHIRPath expression.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#tokens
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from healix_fhir.kernel.errors import HealixError, invalid


class Kind(Enum):
    """What a word is."""

    NAME = "name"
    STRING = "string"
    NUMBER = "number"
    MOMENT = "moment"  # a date, time or dateTime literal, after its @
    VARIABLE = "variable"  # $this, %context
    SYMBOL = "symbol"
    END = "end"


@dataclass(frozen=True, slots=True)
class Word:
    """One word, `text` freed of quotes and escapes, and where it starts."""

    kind: Kind
    text: str
    position: int
    quoted: bool = False  # a `delimited` name is never a keyword


WORDS = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<moment>@[0-9T][0-9:.T+\-Z]*)
    |(?P<number>[0-9]+(\.[0-9]+)?)
    |(?P<string>'(\\.|[^'\\])*')
    |(?P<delimited>`(\\.|[^`\\])*`)
    |(?P<variable>\$[A-Za-z]+|%([A-Za-z_][A-Za-z0-9_-]*|`[^`]+`|'[^']+'))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<symbol><=|>=|!=|!~|[.,()\[\]{}|=~<>+\-*/&])""",
    re.VERBOSE | re.DOTALL,
)
ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
ESCAPED = {"f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def words(expression: str) -> list[Word]:
    """The words of `expression`, the last one END. Raises Invalid for a character that starts none."""
    found: list[Word] = []
    position = 0
    while position < len(expression):
        match = WORDS.match(expression, position)
        if match is None or match.lastgroup is None:
            raise syntax_error(expression, position)
        word = _word(match)
        if word is not None:
            found.append(word)
        position = match.end()
    found.append(Word(Kind.END, "", position))
    return found


def syntax_error(expression: str, position: int) -> HealixError:
    """The refusal of an expression that cannot be read, with the place where reading stopped."""
    return invalid(f"not a FHIRPath expression, at character {position + 1}: '{expression[:200]}'")


def _word(match: re.Match[str]) -> Word | None:
    start = match.start()
    if (text := match["string"]) is not None:
        return Word(Kind.STRING, _unescape(text[1:-1]), start)
    if (text := match["delimited"]) is not None:
        return Word(Kind.NAME, _unescape(text[1:-1]), start, quoted=True)
    for kind in (Kind.MOMENT, Kind.NUMBER, Kind.VARIABLE, Kind.NAME, Kind.SYMBOL):
        if (text := match[kind.value]) is not None:
            return Word(kind, text, start)
    return None


def _unescape(text: str) -> str:
    return ESCAPE.sub(lambda match: _unescaped(match[1]), text) if "\\" in text else text


def _unescaped(escape: str) -> str:
    return chr(int(escape[1:], 16)) if len(escape) == 5 else ESCAPED.get(escape, escape)
