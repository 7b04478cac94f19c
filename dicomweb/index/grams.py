"""Texts as sets of three letters, so that an index finds what contains a given text, wherever in it.

Beside each study and series its searched texts are kept as hashes of column and letters, in one inverted index that
needs no extension of PostgreSQL. Words of names are kept by how they begin, too. What the index finds is looked at
again: it only leaves out what cannot match.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xxhash import xxh32_intdigest

SIZE = 3
SIGN = 1 << 31
LONGEST = 256
"""Letters of a text that are indexed; longer ones are found by their first letters."""


def inside(column: str, folded: str) -> set[int]:
    """The hashes of what a text contains; none of one that is shorter than three letters."""
    return {_hash(f"{column} {three}") for three in threes(folded[:LONGEST])}


def beginnings(column: str, words: Iterable[str]) -> set[int]:
    """The hashes of how words begin."""
    return {_hash(f"{column}^{word[:length]}") for word in words for length in range(1, SIZE + 1)}


def beginning(column: str, word: str) -> int:
    """The hash to look for words that begin with `word` by."""
    return _hash(f"{column}^{word[:SIZE]}")


def ends(column: str, runs: Sequence[str]) -> list[int]:
    """The hashes of the first and last letters of the longest of some runs of letters, which a text must contain.

    Not of all letters, and of a short run the last alone: the planner takes them for independent, and would think a
    text rare that contains many, and fetch all that have it instead of the newest.
    """
    longest = max(runs, key=len, default="")[:LONGEST]
    found = threes(longest)
    first = found[:1] if len(longest) >= 2 * SIZE else []
    return sorted({_hash(f"{column} {three}") for three in (*first, *found[-1:])})


def threes(text: str) -> list[str]:
    """The sets of three letters."""
    return [text[start : start + SIZE] for start in range(len(text) - SIZE + 1)]


def _hash(text: str) -> int:
    return xxh32_intdigest(text.encode()) - SIGN
