"""The checker of histories is itself held to histories whose answer is known."""

from __future__ import annotations

import pytest

from tests.faults.registers import (
    NEVER,
    NOTHING,
    Operation,
    Version,
    created,
    found,
    linearizable,
    perhaps_created,
    read,
    refused,
    updated,
)

START = Version(1, "a")


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (
            [Operation(0, 1, read(START)), Operation(2, 3, updated(1, "b")), Operation(4, 5, read(Version(2, "b")))],
            True,
        ),
        # a read after an acknowledged update sees the old version: lost
        ([Operation(0, 1, updated(1, "b")), Operation(2, 3, read(START))], False),
        # while the update is under way either may be seen, but not new and then old
        (
            [Operation(0, 9, updated(1, "b")), Operation(1, 2, read(START)), Operation(3, 4, read(Version(2, "b")))],
            True,
        ),
        (
            [Operation(0, 9, updated(1, "b")), Operation(1, 2, read(Version(2, "b"))), Operation(3, 4, read(START))],
            False,
        ),
        # of two updates of one version one must be refused
        ([Operation(0, 9, updated(1, "b")), Operation(0, 9, updated(1, "c"))], False),
        ([Operation(0, 9, updated(1, "b")), Operation(0, 9, refused(1))], True),
        # refused though nobody else has changed it: it was made, and its caller was told that it was not
        ([Operation(0, 1, refused(1)), Operation(2, 3, read(Version(2, "b")))], False),
        # without an answer it may have been made, at any time, or not at all
        ([Operation(0, NEVER, updated(1, "b")), Operation(1, 2, read(START)), Operation(3, 4, refused(1))], True),
        ([Operation(0, NEVER, updated(1, "b")), Operation(1, 2, read(START)), Operation(3, 4, updated(1, "c"))], True),
    ],
)
def test_versions(history: list[Operation[Version]], expected: bool) -> None:
    """Reads and conditional updates of one resource."""
    assert linearizable(history, START) is expected


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([Operation(0, 2, created("x")), Operation(1, 3, found("x"))], True),
        ([Operation(0, 2, created("x")), Operation(1, 3, created("y"))], False),
        ([Operation(0, 1, found("x")), Operation(2, 3, created("x"))], False),
        ([Operation(0, NEVER, perhaps_created()), Operation(5, 6, found("x")), Operation(7, 8, found("x"))], True),
        ([Operation(0, NEVER, perhaps_created()), Operation(5, 6, found("x")), Operation(7, 8, found("y"))], False),
        ([Operation(0, NEVER, perhaps_created()), Operation(5, 6, created("y"))], True),
    ],
)
def test_conditional_creates(history: list[Operation[str]], expected: bool) -> None:
    """Creates of the same condition make one resource."""
    assert linearizable(history, NOTHING) is expected
