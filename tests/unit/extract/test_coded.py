"""Codes that are stored by themselves."""

from __future__ import annotations

import pytest

from healix_fhir.search.params.collector import Collector
from healix_fhir.search.params.token import emitter

SYSTEM = "http://example.org/s"


@pytest.mark.parametrize(
    ("code", "stored"), [("a" * 1900, True), ("ä" * 900, True), ("a" * 2000, False), ("ä" * 1000, False)]
)
def test_a_code_that_is_too_long_for_an_index(code: str, stored: bool) -> None:
    """It is found by its hashes alone."""
    emit = emitter(1, "Coding", "", hot=False)
    assert emit is not None
    rows = Collector(())
    emit([{"system": SYSTEM, "code": code}], rows)
    assert (bool(rows.coded), len(rows.toks)) == (stored, 3)
