"""Person names as they are compared: without case and accents, in each of their component groups.

Two comparisons are offered. Without fuzzy matching a component group of the key is compared whole, or by wildcards,
with each group of the name, so that one script finds what the other two write. With fuzzy matching every word of the
key begins some word of the name, in whatever order and group; hiragana and katakana, `ä` and `ae` are alike then.

Spec: PS3.4 C.2.2.2.1 and C.2.2.2.1.1, which leaves fuzzy matching to the implementation (2024d); PS3.5 6.2.1 (2024d)
"""

from __future__ import annotations

import re
import unicodedata

VOICED = ("\u3099", "\u309a")
"""Marks that make another syllable of Japanese ones: no accents."""
VIRAMA = 9
"""The combining class of the mark that joins consonants of Indian scripts: no accent either."""
SEPARATORS = re.compile(r"[\s^=.,/\-\u2010-\u2015\u30fb]+")
APOSTROPHES = re.compile("['\u2018\u2019\u02bc`]")
BARE = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th"})
"""Letters that Unicode does not take apart into a letter and a mark."""
SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
"""How letters are written where there are none of them."""
HIRAGANA = {katakana: katakana - 0x60 for katakana in range(0x30A1, 0x30F7)}
LONGEST_WORD = 64
MOST_WORDS = 256


def fold(text: str) -> str:
    """`text` without case, accents and runs of spaces."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", text) if not _accent(char))
    return " ".join(unicodedata.normalize("NFC", bare.casefold().translate(BARE)).split())


def _accent(char: str) -> bool:
    return unicodedata.combining(char) not in (0, VIRAMA) and char not in VOICED


def folded(name: str) -> list[str]:
    """The folded component groups of a person name as PS3.5 6.2.1 writes it; trailing empty components are dropped."""
    return [fold(group.rstrip("^ ")) for group in name.split("=") if group.strip("^ ")]


def words(name: str) -> list[str]:
    """The words of a person name by which fuzzy matching finds it.

    A group without Latin letters is a word as a whole too: its names are often written without a space.
    """
    found: dict[str, None] = {}
    for group in name.split("="):
        for spelling in spellings(group):
            parts = split(spelling)
            if len(parts) > 1 and not spelling.isascii():
                parts.append("".join(parts)[:LONGEST_WORD])
            found.update(dict.fromkeys(parts))
    return list(found)[:MOST_WORDS]


def sought(key: str) -> list[list[str]]:
    """The words of a key, each in its spellings: some word of the name must begin with one of them."""
    found = []
    for word in SEPARATORS.split(re.sub("[*?]", " ", unicodedata.normalize("NFC", key))):
        either = [part for spelling in spellings(word) for part in split(spelling)]
        if either:
            found.append(either)
    return found[:MOST_WORDS]


def spellings(text: str) -> list[str]:
    """`text` folded, and as it is written where there are no umlauts, if that is another."""
    composed = unicodedata.normalize("NFC", text).casefold()
    return list(dict.fromkeys((fold(composed), fold(composed.translate(SPELT_OUT)))))


def split(folded_text: str) -> list[str]:
    """The words of folded text."""
    alike = APOSTROPHES.sub("", folded_text).translate(HIRAGANA)
    return [word[:LONGEST_WORD] for word in SEPARATORS.split(alike) if word]
