"""Text from anywhere as it can be printed: characters that the fonts have, words that break, lengths with an end.

Controls and what turns the direction of writing are left out, so that nothing reads otherwise than it is stored; what
the fonts lack is a replacement character, which readers see.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from healix_fhir.care.reports.characters import printable as characters

LONGEST = 4000
"""Characters of one text."""
LONGEST_CELL = 600
"""Characters of one text of a table, so that every row fits on a page."""
MOST_LINES = 12
"""Lines of one text of a table."""
STACKED = 4
"""Marks on one character: Devanagari needs three, stacks of hundreds climb over the lines above."""
LONG_WORD = 24
PIECE = 10
"""Words of so many characters may be broken after each piece."""
REPLACED = "\N{REPLACEMENT CHARACTER}"
CUT = "\N{HORIZONTAL ELLIPSIS}"
BREAK = "\N{ZERO WIDTH SPACE}"
KEPT_SPACES = "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
VIRAMA = 9
"""The combining class of what joins two consonants."""
WORD = re.compile(rf"[^\s\-{BREAK}]{{{LONG_WORD},}}")
MARK = r"[\u0300-\u036f\u0483-\u0489\u0900-\u0903\u093a-\u094f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]"
MARKS = re.compile(f"({MARK}{{{STACKED}}}){MARK}+")
SPACES = re.compile(" {2,}")
LINES = re.compile("\r\n|[\r\n\v\f\x85\u2028\u2029]")


def printable(text: str, longest: int = LONGEST) -> str:
    """`text` as it can be printed, its line breaks kept."""
    text = LINES.sub("\n", text[: 4 * longest])
    if not text.isascii():
        text = MARKS.sub(r"\1", unicodedata.normalize("NFC", text))
    text = SPACES.sub(" ", "".join(_shown(one) for one in text)).strip()
    if len(text) > longest:
        text = text[: longest - 1].rstrip() + CUT
    return WORD.sub(_broken, text)


def cell(text: str) -> str:
    """A text of a table."""
    lines = printable(text, LONGEST_CELL).split("\n")
    return "\n".join(lines) if len(lines) <= MOST_LINES else "\n".join([*lines[:MOST_LINES], CUT])


def every_text(value: Any) -> Any:
    """A value of JSON whose texts can all be printed."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list | tuple):
        return [every_text(one) for one in value]
    return {key: every_text(one) for key, one in value.items()} if isinstance(value, dict) else value


def _shown(character: str) -> str:
    if " " <= character <= "~" or character == "\n" or character in JOINERS:
        return character
    kind = unicodedata.category(character)
    if kind in ("Cc", "Zs"):
        return character if character in KEPT_SPACES else " "
    if kind == "Cf" or 0xFE00 <= ord(character) <= 0xFE0F:
        return ""
    return character if ord(character) in characters() else REPLACED


def _broken(found: re.Match[str]) -> str:
    """A long word with places to break it, none of them within what is written as one."""
    pieces, since = [], 0
    for before, character in zip(" " + found[0], found[0], strict=False):
        joined = (
            unicodedata.category(character).startswith("M")
            or character in JOINERS
            or before in JOINERS
            or unicodedata.combining(before) == VIRAMA
        )
        if since >= PIECE and not joined:
            pieces.append(BREAK)
            since = 0
        pieces.append(character)
        since += 1
    return "".join(pieces)
