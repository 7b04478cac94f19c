r"""Taking a search parameter's value apart: alternatives, parts of a token, escapes.

`,` separates alternatives, `|` and `$` the parts of one; a backslash before one of them, or before another backslash,
makes it an ordinary character.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#escaping
"""

from __future__ import annotations

import re

ESCAPED = re.compile(r"\\([,|$\\])")
SPECIAL = re.compile(r"([,|$\\])")


def split(text: str, separator: str) -> list[str]:
    """The pieces of `text` between unescaped separators, escapes kept."""
    pieces, start, position = [], 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        if text[position] == separator:
            pieces.append(text[start:position])
            start = position + 1
        position += 1
    pieces.append(text[start:])
    return pieces


def escape(text: str) -> str:
    """A text as it stands in a value, with backslashes before what would part it."""
    return SPECIAL.sub(r"\\\1", text)


def unescape(text: str) -> str:
    """`text` with its escaped separators as ordinary characters."""
    return ESCAPED.sub(r"\1", text) if "\\" in text else text
