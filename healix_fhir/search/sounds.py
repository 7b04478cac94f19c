"""How words sound: two codes for each, of which one must be equal for two words to sound alike.

Metaphone follows the spelling of English closely (`Stephen` and `Steven`, `Catherine` and `Kathryn`), Soundex keeps the
first letter and what follows in groups (`Meyer` and `Maier`, `Smith` and `Schmidt`). Either alone misses what the other
finds. Words in other scripts sound like themselves only. The codes are made by the library jellyfish.

Spec: FHIR R4, hl7.org/fhir/R4/patient.html#search (phonetic: "using a phonetic algorithm", which one is open)
"""

from __future__ import annotations

from functools import lru_cache

from jellyfish import metaphone, soundex

from healix_fhir.search.strings import fold


@lru_cache(maxsize=8192)
def sounds(text: str) -> tuple[tuple[str, ...], ...]:
    """The codes of each word of `text`."""
    return tuple(_codes(word) for word in fold(text).split())


def _codes(word: str) -> tuple[str, ...]:
    if not (word.isascii() and word.isalpha()):
        return (f"={word}",)
    return (f"m{metaphone(word)}", f"s{soundex(word)}")
