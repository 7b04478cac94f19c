"""How many guesses a password withstands, as far as one can tell: the cheapest way to put it together.

A password is cut into pieces: listed words (also with capitals, with figures for letters, or backwards), words of the
context, runs (`4567`, `qwerty`, `aaaa`), what stands just before, years, and single characters. Each piece costs the
bits of choosing it among all of its kind; the cheapest cut counts, since that is how guessing programs go on.

Spec: NIST SP 800-63B-4 3.1.1.2 (blocklists); the idea is that of Wheeler, zxcvbn, USENIX Security 2016
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import pairwise
from math import log2

from smart_auth.account.words import SHORTEST

LOOKED_AT = 100
"""Characters that are looked at: so many of any kind are enough."""
LONGEST_PIECE = 40
LEET = str.maketrans("@4831!|05$7+9", "aabeiiiossttg")
VARIED = 1.0
"""Bits of changing a word in one of the usual ways."""
CONTEXT = 1.0
REPEATED = 2.0
RUN = 6.0
YEAR = 7.0
YEARS = re.compile(r"(?:19|20)\d\d")
ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop", "1qaz2wsx3edc4rfv5tgb6yhn7ujm")


def bits(password: str, known: Mapping[str, int], context: Collection[str] = ()) -> float:
    """The binary logarithm of the guesses. `known` are words with their bits; those of `context` are guessed first."""
    text = password[:LOOKED_AT]
    lower = text.lower()
    near = {word.lower() for word in context if len(word) >= SHORTEST}
    best = [0.0]
    for end in range(1, len(text) + 1):
        cheapest = best[end - 1] + _character(text[end - 1])
        for start in range(max(0, end - LONGEST_PIECE), end - SHORTEST + 1):
            cost = _piece(text[start:end], lower[start:end], known, near)
            if lower[max(0, 2 * start - end) : start] == lower[start:end]:
                cost = min(cost, REPEATED)
            cheapest = min(cheapest, best[start] + cost)
        best.append(cheapest)
    return best[-1]


def _character(character: str) -> float:
    if character.isdigit():
        return log2(10)
    return log2(26) if character.islower() else log2(33)


def _piece(text: str, lower: str, known: Mapping[str, int], near: Collection[str]) -> float:
    cost = min(_word(lower, known, near), _word(lower.translate(LEET), known, near) + VARIED)
    cost = min(cost, _word(lower[::-1], known, near) + VARIED)
    if text != lower:
        cost += VARIED if text.istitle() or text.isupper() else sum(map(str.isupper, text))
    if _is_run(lower):
        cost = min(cost, RUN)
    if YEARS.fullmatch(text):
        cost = min(cost, YEAR)
    return cost


def _word(word: str, known: Mapping[str, int], near: Collection[str]) -> float:
    return CONTEXT if word in near else known.get(word, float("inf"))


def _is_run(text: str) -> bool:
    """Whether each character follows the one before, in the alphabet or on the keyboard, up or down, or is the same."""
    step = ord(text[1]) - ord(text[0])
    if abs(step) <= 1 and all(ord(b) - ord(a) == step for a, b in pairwise(text)):
        return True
    return any(text in row or text[::-1] in row for row in ROWS)
