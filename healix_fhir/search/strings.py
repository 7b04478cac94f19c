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
    if text.isascii():
        plain = text.lower()
        bare = plain.translate(ASCII_PUNCTUATION)
    else:
        plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        plain = "".join(c for c in plain.translate(LETTERS) if not unicodedata.combining(c))
        plain = unicodedata.normalize("NFC", plain)
        bare = "".join(c for c in plain if unicodedata.category(c)[0] != "P")
    return (" ".join(bare.split()) or " ".join(plain.split()))[:LIMIT].rstrip()
