"""The numbers of a hierarchy against walking it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from healix_fhir.terminology.hierarchy import Arrangement, Ranges, arrange

MOST = 10_000


@st.composite
def hierarchies(draw: st.DrawFn) -> list[list[int]]:
    """The parents of up to a dozen concepts, circles among them."""
    size = draw(st.integers(1, 12))
    places = st.lists(st.integers(0, size - 1), max_size=3, unique=True)
    return [[parent for parent in draw(places) if parent != own] for own in range(size)]


def walked(parents: list[list[int]], arrangement: Arrangement) -> list[set[int]]:
    """By place, the numbers of a concept and of all below it, found by going up from each concept."""
    left_out = set(arrangement.looping)
    found: list[set[int]] = [set() for _ in parents]
    for place in range(len(parents)):
        open_, seen = [place], {place}
        while open_:
            at = open_.pop()
            above = {parent for parent in parents[at] if (at, parent) not in left_out} - seen
            seen |= above
            open_ += above
        for ancestor in seen:
            found[ancestor].add(arrangement.numbers[place])
    return found


def listed(ranges: Ranges) -> set[int]:
    """The numbers in ranges."""
    return {n for begin, end in zip(ranges[::2], ranges[1::2], strict=True) for n in range(begin, end)}


@given(hierarchies())
def test_ranges_hold_what_is_below(parents: list[list[int]]) -> None:
    """The ranges of a concept hold its number and those of all its descendants, and no other."""
    arrangement = arrange(parents, MOST)
    assert [listed(ranges) for ranges in arrangement.below] == walked(parents, arrangement)


@given(hierarchies())
def test_ranges_are_apart_and_in_order(parents: list[list[int]]) -> None:
    """Ranges neither meet nor overlap, so that they can be counted and walked."""
    for ranges in arrange(parents, MOST).below:
        assert list(ranges) == sorted(set(ranges))


@given(hierarchies())
def test_every_concept_has_a_number_of_its_own(parents: list[list[int]]) -> None:
    """The numbers are 1 and up, each once, and a concept comes after some parent unless it is at the top."""
    arrangement = arrange(parents, MOST)
    assert sorted(arrangement.numbers) == list(range(1, len(parents) + 1))


@given(hierarchies())
def test_only_what_closes_a_circle_is_left_out(parents: list[list[int]]) -> None:
    """A parent that is left out is below the concept: without circles none is."""
    arrangement = arrange(parents, MOST)
    for child, parent in arrangement.looping:
        assert arrangement.numbers[parent] in listed(arrangement.below[child])
