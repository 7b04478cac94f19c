"""Joining conditions."""

from __future__ import annotations

from healix_fhir.kernel.database import Fragment
from healix_fhir.search.fragments import EVERYTHING, NOTHING, all_of, any_of, negate

A, B = Fragment("a = %s", (1,)), Fragment("b = ANY(%s)", ([2],))


def test_constants_are_folded_away() -> None:
    """Everything and nothing leave no trace in the SQL."""
    assert all_of([]) == all_of([EVERYTHING]) == EVERYTHING
    assert all_of([A, NOTHING]) == NOTHING
    assert any_of([]) == any_of([NOTHING]) == NOTHING
    assert any_of([A, EVERYTHING]) == EVERYTHING
    assert (negate(EVERYTHING), negate(NOTHING)) == (NOTHING, EVERYTHING)


def test_parameters_keep_the_order_of_their_places() -> None:
    """Values are bound in the order in which the text asks for them."""
    assert all_of([B, A]) == Fragment("b = ANY(%s) AND a = %s", ([2], 1))
    assert any_of([A, B, A]) == Fragment("(a = %s OR b = ANY(%s))", (1, [2]))
