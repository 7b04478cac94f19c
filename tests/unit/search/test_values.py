"""Separators and escapes of search values."""

from __future__ import annotations

import pytest

from healix_fhir.search.values import split, unescape


@pytest.mark.spec("R4 search.html#escaping")
@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a,b", ["a", "b"]),
        (r"a\,b,c", ["a,b", "c"]),
        (r"a\\,b", ["a\\", "b"]),
        (r"a\|b\$c", ["a|b$c"]),
        (r"a\nb", [r"a\nb"]),
        ("a\\", ["a\\"]),
        ("", [""]),
    ],
)
def test_escaped_separators_do_not_separate(text: str, pieces: list[str]) -> None:
    """A backslash before `,`, `|`, `$` or a backslash makes it an ordinary character; elsewhere it is one itself."""
    assert [unescape(piece) for piece in split(text, ",")] == pieces
