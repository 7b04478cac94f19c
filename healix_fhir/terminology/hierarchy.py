"""Numbers for the concepts of a hierarchy, such that what is below a concept is few ranges of numbers.

Concepts are numbered depth first. What is found below a concept for the first time there is one range with it; what is
below it too, but was numbered before, is a range for each piece that hangs together. In a tree every concept has one
range; in SNOMED CT, where half of the concepts have several parents, a handful.

After R. Agrawal et al., Efficient management of transitive relationships in large databases (SIGMOD 1989).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from healix_fhir.kernel.errors import too_large

Ranges: TypeAlias = tuple[int, ...]
"""Half-open ranges in order, apart from each other: begin, end, begin, end, ..."""


class Arrangement(msgspec.Struct, frozen=True):
    """By the place of each concept in the list: its number, from 1, and what is below it, itself included.

    `looping` are pairs (concept, parent) which were left out, as they would close a circle.
    """

    numbers: Sequence[int]
    below: Sequence[Ranges]
    looping: Sequence[tuple[int, int]]


def arrange(parents: Sequence[Sequence[int]], most: int) -> Arrangement:
    """Number concepts, of which `parents` has the places of each one's parents; those without stand at the top.

    Raises TooLarge if more than `most` ranges came of it.
    """
    children: list[list[int]] = [[] for _ in parents]
    for place, above in enumerate(parents):
        for parent in above:
            children[parent].append(place)
    return _Walk(children, most).all([place for place, above in enumerate(parents) if not above])


class _Walk:
    """The way through a hierarchy: number on the way down, gather what is below on the way up."""

    def __init__(self, children: Sequence[Sequence[int]], most: int) -> None:
        self._children = children
        self._numbers = [0] * len(children)
        self._below: list[Ranges] = [()] * len(children)
        self._looping: list[tuple[int, int]] = []
        self._next = 1
        self._left = most

    def all(self, tops: Sequence[int]) -> Arrangement:
        for place in (*tops, *range(len(self._children))):  # whom no top leads to is in a circle or below one
            if not self._numbers[place]:
                self._from(place)
        return Arrangement(self._numbers, self._below, self._looping)

    def _from(self, top: int) -> None:
        numbers, open_ = self._numbers, [(top, iter(self._children[top]))]
        self._number(top)
        while open_:
            place, rest = open_[-1]
            for child in rest:
                if not numbers[child]:
                    self._number(child)
                    open_.append((child, iter(self._children[child])))
                    break
                if not self._below[child]:
                    self._looping.append((child, place))
            else:
                open_.pop()
                self._gather(place)

    def _number(self, place: int) -> None:
        self._numbers[place] = self._next
        self._next += 1

    def _gather(self, place: int) -> None:
        """What is below: all numbers given since its own, and what of its children's was numbered before."""
        own = self._numbers[place]
        earlier: set[tuple[int, int]] = set()
        for child in self._children[place]:
            ranges = self._below[child]
            if len(ranges) > 2 or (ranges and ranges[0] < own):
                pairs = zip(ranges[::2], ranges[1::2], strict=True)
                earlier.update(pair for pair in pairs if pair[0] < own)
        mine = (own, self._next)
        self._below[place] = _joined({*earlier, mine}) if earlier else mine
        self._left -= len(self._below[place]) // 2
        if self._left < 0:
            raise too_large("the hierarchy of the code system is too tangled: too many concepts have several parents")


def _joined(ranges: set[tuple[int, int]]) -> Ranges:
    """Ranges in order, those that meet as one."""
    joined: list[int] = []
    for begin, end in sorted(ranges):
        if joined and begin <= joined[-1]:
            joined[-1] = max(joined[-1], end)
        else:
            joined += (begin, end)
    return tuple(joined)


def literal(ranges: Ranges) -> str:
    """Ranges as PostgreSQL writes a multirange."""
    return "{" + ",".join(f"[{begin},{end})" for begin, end in zip(ranges[::2], ranges[1::2], strict=True)) + "}"
