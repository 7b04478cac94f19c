"""Browsers, each with a profile of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.support.chromium import chromium


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """A browser that nobody has used."""
    with chromium(tmp_path / "profile") as driver:
        yield driver


@pytest.fixture(scope="module")
def shared_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser for the tests of a module, for pages that take long to load."""
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as driver:
        yield driver
