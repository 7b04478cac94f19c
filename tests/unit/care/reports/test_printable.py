"""Text from anywhere is text that can be printed."""

from __future__ import annotations

import pytest

from healix_fhir.care.reports.characters import printable as characters
from healix_fhir.care.reports.printable import (
    BREAK,
    CUT,
    LONGEST,
    LONGEST_CELL,
    MOST_LINES,
    cell,
    every_text,
    printable,
)

LACKED = "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*no* #markup() <b>", "*no* #markup() <b>"),
        ("a\x07b\tc\x00", "a b c"),
        ("one\r\ntwo\x85three\u2028four", "one\ntwo\nthree\nfour"),
        ("safe\u202eevas\u2066x", "safeevasx"),
        ("a\u0301 स्वास्थ्य Ж Ω", "á स्वास्थ्य Ж Ω"),
        ("漢字", LACKED * 2),
        ("\ue000\U0001f600", LACKED * 2),
        ("q" + "\u0323" * 50, "q" + "\u0323" * 4),
        ("5\u202fkg", "5\u202fkg"),
        ("  ", ""),
    ],
)
def test_printable(text: str, expected: str) -> None:
    """Controls and turned directions are left out, what no font has is replaced, stacks of marks end."""
    assert printable(text) == expected


def test_lengths() -> None:
    """Texts end with a mark where they are cut, in characters and in lines."""
    assert len(printable("a b " * LONGEST)) == LONGEST
    assert printable("a b " * LONGEST).endswith(CUT)
    assert len(cell("a b " * LONGEST)) == LONGEST_CELL
    assert cell("x\n" * 100).split("\n") == ["x"] * MOST_LINES + [CUT]


def test_long_words() -> None:
    """A long word can be broken, but neither within what is written as one nor where it is short."""
    assert printable("y" * 25) == BREAK.join(("y" * 10, "y" * 10, "y" * 5))
    assert printable("hydrochlorothiazide") == "hydrochlorothiazide"
    word = "क्षत्रियश्री" * 3
    pieces = printable(word).split(BREAK)
    assert "".join(pieces) == word
    assert len(pieces) > 1
    assert all(piece[0] in "कषतरयश" and not piece.endswith("\u094d") for piece in pieces)


def test_every_text() -> None:
    """All texts of a value are made so, and nothing else is touched."""
    assert every_text({"a": ["x\x00", 1, None, {"b": "\u202ey"}]}) == {"a": ["x", 1, None, {"b": "y"}]}


def test_characters() -> None:
    """The fonts have what the languages need."""
    assert set(map(ord, "AzÄßéñœ€…≥≤≈→₂ “”„«»°µ²ЖΩअक्षॐ।\N{MINUS SIGN}\N{EN DASH}")) <= characters()
    assert ord("漢") not in characters()
