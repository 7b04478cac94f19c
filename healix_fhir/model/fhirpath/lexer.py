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


CLOCK = r"[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?"
WORDS = re.compile(
    rf"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<moment>@(?:[0-9]{{4}}(?:-[0-9]{{2}}(?:-[0-9]{{2}})?)?(?:T(?:{CLOCK}(?:Z|[+-][0-9]{{2}}:[0-9]{{2}})?)?)?|T{CLOCK}))
    |(?P<number>[0-9]+(\.[0-9]+)?)
    |(?P<string>'(\\.|[^'\\])*')
    |(?P<delimited>`(\\.|[^`\\])*`)
    |(?P<variable>\$[A-Za-z]+|%((?:vs|ext)-[A-Za-z0-9-]+|[A-Za-z_][A-Za-z0-9_]*|`(\\.|[^`\\])+`|'(\\.|[^'\\])+'))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<symbol><=|>=|!=|!~|[.,()\[\]{{}}|=~<>+\-*/&])""",
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
        try:
            word = _word(match)
        except UnicodeDecodeError as error:
            raise syntax_error(expression, position) from error
        if word is not None:
            found.append(word)
        position = match.end()
    found.append(Word(Kind.END, "", position))
    return found


def syntax_error(expression: str, position: int) -> HealixError:
    """The refusal of an expression that cannot be read, with the place where reading stopped."""
    return invalid(f"not a FHIRPath expression, at character {position + 1}: '{expression[:200]}'")


def refused(expression: str, error: HealixError) -> HealixError:
    """`error` with the expression in which it arose."""
    return HealixError(error.category, f"{error.message}, in '{expression[:200]}'", code=error.issues[0].code)


def _word(match: re.Match[str]) -> Word | None:
    start = match.start()
    if (text := match["string"]) is not None:
        return Word(Kind.STRING, _unescape(text[1:-1]), start)
    if (text := match["delimited"]) is not None:
        return Word(Kind.NAME, _unescape(text[1:-1]), start, quoted=True)
    if (text := match["variable"]) is not None:
        return Word(Kind.VARIABLE, f"%{_unescape(text[2:-1])}" if text[1] in "`'" else text, start)
    for kind in (Kind.MOMENT, Kind.NUMBER, Kind.NAME, Kind.SYMBOL):
        if (text := match[kind.value]) is not None:
            return Word(kind, text, start)
    return None


def _unescape(text: str) -> str:
    """The text of a quoted word; raises UnicodeDecodeError for half of a surrogate pair."""
    if "\\" not in text:
        return text
    plain = ESCAPE.sub(lambda match: _unescaped(match[1]), text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16")


def _unescaped(escape: str) -> str:
    return chr(int(escape[1:], 16)) if len(escape) == 5 else ESCAPED.get(escape, escape)
