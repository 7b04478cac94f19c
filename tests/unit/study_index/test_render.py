"""Rows of lists are made into objects once, and a changed row is another one."""

from __future__ import annotations

from typing import Any

from dicomweb.index.render import LARGEST, ROWS, remembering


def test_a_row_is_made_once() -> None:
    """The same content is not made again; other content is, and what is large is not kept."""
    made: list[tuple[Any, ...]] = []

    def make(row: tuple[Any, ...]) -> bytes:
        made.append(row)
        return b"x" * int(row[1])

    remembered = remembering(make)
    rows = [("a", 1), ("a", 1), ("a", 2), ("b", LARGEST + 1), ("b", LARGEST + 1)]
    assert [len(remembered(row)) for row in rows] == [1, 1, 2, LARGEST + 1, LARGEST + 1]
    assert made == [("a", 1), ("a", 2), ("b", LARGEST + 1), ("b", LARGEST + 1)]


def test_what_is_remembered_is_bounded() -> None:
    """After many rows the first are made again."""
    made: list[int] = []

    def make(row: tuple[Any, ...]) -> bytes:
        made.append(row[0])
        return b""

    remembered = remembering(make)
    for number in [*range(ROWS + 1), 0]:
        remembered((number,))
    assert made[-1] == 0
