"""The words of a text, for full text: what is looked up, and in which place it stands.

A word is a run of letters and digits, folded like every string (search/strings): without case and accents. Nothing is
stemmed and nothing left out, whatever the language. Of scripts that write no spaces each character is a word; what is
asked for as one word is then found as a phrase of them.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#content; PostgreSQL 18, tsvector
"""

from __future__ import annotations

import re
from functools import lru_cache

from healix_fhir.search.strings import plain

LONGEST = 64
"""Characters of a word that count."""
ROOM = 900_000
"""Bytes of all words of a text with their places; PostgreSQL takes 1 MB. What lies behind is not found."""
SHORT = 256
"""Characters of a text that comes again and again, such as the display of a code."""
FEW = 16
"""Texts of a resource that differs from others in numbers and dates only, such as the readings of a device."""

ASCII = re.compile("[a-z0-9]+")
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # kana and ideographs
)
ANY = re.compile(rf"[{UNSPACED}]|(?:(?![{UNSPACED}])[^\W_])+")


def words(text: str) -> tuple[str, ...]:
    """The words of `text` in order."""
    return _few(text) if len(text) <= SHORT else _words(text)


def _words(text: str) -> tuple[str, ...]:
    found = ASCII.findall(text.lower()) if text.isascii() else ANY.findall(plain(text))
    return tuple(word[:LONGEST] for word in found)


_few = lru_cache(maxsize=16384)(_words)


def vector(texts: tuple[str, ...], mark: str) -> str:
    """The words of texts as PostgreSQL writes a tsvector, and `mark` as a word without a place; empty without words.

    Between two texts a place is left free, so that no phrase reaches from one into the next.
    """
    if len(texts) <= FEW and max(map(len, texts), default=0) <= SHORT:
        return _alike(texts, mark)
    return _vector(texts, mark)


def _vector(texts: tuple[str, ...], mark: str) -> str:
    literal: list[str] = []
    place = 0
    for text in texts:
        found = words(text)
        literal += [f"{word}:{n}" for n, word in enumerate(found, place + 1)]
        place += len(found) + 1
    if place > ROOM // (4 * LONGEST):
        literal = fitting(literal)
    return " ".join([*literal, mark]) if literal else ""


_alike = lru_cache(maxsize=4096)(_vector)


def fitting(literal: list[str]) -> list[str]:
    """The words for which there is room."""
    room = ROOM
    for n, word in enumerate(literal):
        room -= len(word.encode()) + 1
        if room < 0:
            return literal[:n]
    return literal
