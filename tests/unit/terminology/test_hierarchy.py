"""Numbers of a hierarchy."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.terminology.hierarchy import arrange, literal


def test_a_tree_is_numbered_as_it_is_listed() -> None:
    """In a tree each concept has one range, and concepts that are listed in order keep it."""
    made = arrange([[], [0], [1], [0], []], 10)
    assert list(made.numbers) == [1, 2, 3, 4, 5]
    assert list(made.below) == [(1, 5), (2, 4), (3, 4), (4, 5), (5, 6)]


def test_a_second_parent_has_a_second_range() -> None:
    """What was numbered below another concept is a range of its own."""
    made = arrange([[], [0], [1, 3], [0]], 10)
    assert list(made.below) == [(1, 5), (2, 4), (3, 4), (3, 5)]
    made = arrange([[], [0], [0, 4], [0], [0]], 10)
    assert made.below[4] == (3, 4, 5, 6)
    assert literal(made.below[4]) == "{[3,4),[5,6)}"


def test_a_hierarchy_may_be_too_tangled() -> None:
    """More ranges than the limit are refused: each concept costs one at least."""
    with pytest.raises(HealixError) as caught:
        arrange([[], [0], [0]], 2)
    assert caught.value.category is Category.TOO_LARGE


def test_a_deep_hierarchy_needs_no_recursion() -> None:
    """Ten thousand levels are numbered."""
    made = arrange([[], *([n] for n in range(10_000))], 20_000)
    assert made.below[0] == (1, 10_002)
