"""What folding ignores and what it keeps."""

from __future__ import annotations

import pytest

from healix_fhir.search.strings import LIMIT, fold


@pytest.mark.spec("FHIR R4 search.html#string")
@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Ève", "eve"),
        ("EVE", "eve"),
        ("Eve\u0301", "eve"),
        ("O'Brien", "obrien"),
        ("d\u2019Arc", "darc"),
        ("  Mary \t Ann\n", "mary ann"),
        ("Straße", "strasse"),
        ("\ufb01n", "fin"),
        ("Ａｄａ", "ada"),  # noqa: RUF001 - full-width letters
        ("Łódź", "lodz"),
        ("Sørensen", "sorensen"),
        ("İstanbul", "istanbul"),
        ("Ærø", "aero"),
        ("한글", "한글"),
        ("नमस्ते", "नमसते"),
        ("Ὀδυσσεύς", "οδυσσευσ"),
        ("---", "---"),
        ("…", "..."),
        (" ", ""),
        ("a+b", "a+b"),
    ],
)
def test_folding(text: str, folded: str) -> None:
    """Case, accents, punctuation and white space do not count; a string of punctuation only keeps it."""
    assert fold(text) == folded


def test_length() -> None:
    """A folded string fits into a B-tree entry."""
    assert len(fold("😀" * 10_000)) == LIMIT
    assert len(fold("😀" * 10_000).encode()) < 2704
