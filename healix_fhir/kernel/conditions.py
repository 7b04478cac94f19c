"""Joining conditions: Fragments in, one Fragment out, with the constants folded away."""

from __future__ import annotations

from collections.abc import Iterable

from healix_fhir.kernel.database import Fragment

EVERYTHING = Fragment("TRUE")
NOTHING = Fragment("FALSE")


def all_of(conditions: Iterable[Fragment]) -> Fragment:
    """The conjunction; EVERYTHING of no conditions."""
    kept = [condition for condition in conditions if condition != EVERYTHING]
    if NOTHING in kept:
        return NOTHING
    return strung(" AND ", kept) if kept else EVERYTHING


def any_of(conditions: Iterable[Fragment]) -> Fragment:
    """The disjunction; NOTHING of no conditions."""
    kept: list[Fragment] = []
    kept.extend(condition for condition in conditions if condition != NOTHING and condition not in kept)
    if EVERYTHING in kept:
        return EVERYTHING
    if len(kept) < 2:
        return kept[0] if kept else NOTHING
    joined = strung(" OR ", kept)
    return Fragment(f"({joined.sql})", joined.params)


def negate(condition: Fragment) -> Fragment:
    """What is left over; a condition that is null counts as false."""
    if condition == EVERYTHING:
        return NOTHING
    if condition == NOTHING:
        return EVERYTHING
    return Fragment(f"({condition.sql}) IS NOT TRUE", condition.params)


def strung(separator: str, pieces: Iterable[Fragment]) -> Fragment:
    """The pieces one after the other, their parameters in the same order."""
    listed = list(pieces)
    if len(listed) == 1:
        return listed[0]
    return Fragment(
        separator.join(piece.sql for piece in listed), tuple(param for piece in listed for param in piece.params)
    )
