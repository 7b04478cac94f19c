"""Cursors: sealed, bound to their search, and back again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.search.page import KeyValue, Signer, cursor

SIGNER = Signer(b"key")


@pytest.mark.parametrize("value", [None, "an-id", datetime(1850, 2, 3, 4, 5, 6, 789, tzinfo=UTC)])
def test_a_cursor_survives_its_link(value: KeyValue) -> None:
    """Sort key, row and ceiling come back exactly."""
    at = SIGNER.unseal(SIGNER.seal(cursor(9, 5, value), "search"), "search")
    assert (at.ceiling, at.pk, at.value) == (9, 5, value)


def test_a_cursor_tells_nothing() -> None:
    """How much the server holds cannot be read from a link: it is encrypted, and equal places look equal only."""
    sealed = SIGNER.seal(cursor(1, 1, None), "search")
    assert not set(sealed) & set("|{:,")
    assert sealed != SIGNER.seal(cursor(2, 1, None), "search")


@pytest.mark.parametrize("text", ["", "x", "ä", "AAAA", "=", "a" * 5000])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    """Any other text is the caller's mistake."""
    with pytest.raises(HealixError) as refusal:
        SIGNER.unseal(text, "search")
    assert refusal.value.category is Category.INVALID


def test_a_cursor_belongs_to_one_search_and_one_server() -> None:
    """Neither another search nor another key opens it, nor does it survive a changed character."""
    sealed = SIGNER.seal(cursor(9, 5, "id"), "search")
    changed = ("B" if sealed[0] == "A" else "A") + sealed[1:]
    for signer, text, search in (
        (SIGNER, sealed, "other"),
        (Signer(b"other"), sealed, "search"),
        (SIGNER, changed, "search"),
    ):
        with pytest.raises(HealixError):
            signer.unseal(text, search)
