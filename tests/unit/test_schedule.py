"""The order in which modules start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from tests.support.schedule import LONG, ordered

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Item:
    """As much of a test as its place depends on."""

    nodeid: str
    fixturenames: tuple[str, ...] = ()


def test_long_modules_start_first_then_those_with_databases() -> None:
    """The tests of a module stay together, in the order they had."""
    stored = ("pool", "database_url")
    items = [
        Item("tests/plain.py::b"),
        Item("tests/plain.py::a"),
        Item("tests/one.py::a", stored),
        Item("tests/two.py::b", stored),
        Item("tests/two.py::a", stored),
        Item(f"{LONG[1]}::a"),
        Item(f"{LONG[0]}::a", stored),
    ]
    found = [item.nodeid for item in ordered(cast("list[pytest.Item]", items))]
    assert found == [
        f"{LONG[0]}::a",
        f"{LONG[1]}::a",
        "tests/two.py::b",
        "tests/two.py::a",
        "tests/one.py::a",
        "tests/plain.py::b",
        "tests/plain.py::a",
    ]


def test_long_modules_are_there() -> None:
    """A module that was renamed is named anew here, or it would start last."""
    assert [module for module in LONG if not (ROOT / module).is_file()] == []
