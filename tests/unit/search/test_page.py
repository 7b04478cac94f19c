"""Cursors: sealed, bound to their search, and back again."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.search.keyset import Place
from healix_fhir.search.page import Cursor, Signer

SIGNER = Signer(b"key")


def at(pk: int) -> Cursor:
    """Behind the row `pk`."""
    return Cursor(9, backward=False, place=Place(0, ("a", None), pk))


@pytest.mark.parametrize("cursor", [at(5), Cursor(9, backward=True, place=None)])
def test_a_cursor_survives_its_link(cursor: Cursor) -> None:
    """Place, direction and ceiling come back exactly."""
    assert SIGNER.unseal(SIGNER.seal(cursor, "search"), "search") == cursor


def test_a_cursor_tells_nothing() -> None:
    """How much the server holds cannot be read from a link, nor whether two links lead to the same place."""
    sealed = SIGNER.seal(at(1), "search")
    assert not set(sealed) & set("|{:,")
    assert sealed != SIGNER.seal(at(1), "search")


def test_the_length_of_a_cursor_tells_nothing_of_the_keys_in_it() -> None:
    """A search whose hidden rows have grown in number gives a link of the same length."""
    lengths = {
        len(SIGNER.seal(Cursor(ceiling, backward=False, place=Place(0, ("a", None), pk)), "search"))
        for ceiling in (1, 200, 70_000, 1 << 40)
        for pk in (1, 200, 70_000, 1 << 40)
    }
    assert len(lengths) == 1


@pytest.mark.parametrize("text", ["", "x", "ä", "AAAA", "=", "a" * 5000])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    """Any other text is the caller's mistake."""
    with pytest.raises(HealixError) as refusal:
        SIGNER.unseal(text, "search")
    assert refusal.value.category is Category.INVALID


def test_a_cursor_belongs_to_one_search_and_one_server() -> None:
    """Neither another search nor another key opens it, nor does it survive a changed character."""
    sealed = SIGNER.seal(at(5), "search")
    changed = ("B" if sealed[0] == "A" else "A") + sealed[1:]
    for signer, text, search in (
        (SIGNER, sealed, "other"),
        (Signer(b"other"), sealed, "search"),
        (SIGNER, changed, "search"),
    ):
        with pytest.raises(HealixError):
            signer.unseal(text, search)
