"""Folding of strings: what two strings must have in common to match without `:exact`.

Case, accents, punctuation and the kind and amount of white space are ignored; compatibility forms (ligatures,
full-width letters) count as what they stand for.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#string
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

LIMIT = 600
"""Characters of a folded string that are kept: a B-tree entry holds 2,704 bytes, a character up to 4."""

LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe", "ŧ": "t"}
)
"""Letters with a stroke and ligatures that Unicode does not decompose, after case folding."""

ASCII_PUNCTUATION = str.maketrans("", "", "!\"#%&'()*,-./:;?@[\\]_{}")


@lru_cache(maxsize=16384)
def fold(text: str) -> str:
    """`text` folded and cut to `LIMIT` characters; empty only for text without any character to compare.

    Punctuation stays when there is nothing else, so that a search for it does not match everything. Idempotent.
    """
    folded = plain(text)
    if text.isascii():
        bare = folded.translate(ASCII_PUNCTUATION)
    else:
        bare = "".join(c for c in folded if unicodedata.category(c)[0] != "P")
    return (" ".join(bare.split()) or " ".join(folded.split()))[:LIMIT].rstrip()


def plain(text: str) -> str:
    """`text` without case and accents, punctuation and white space as they are."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    letters = "".join(c for c in decomposed.translate(LETTERS) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", letters)
