"""A live server whose audit trail the tests read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.live_server import LiveServer, live_server


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that the tests of a module share."""
    with live_server(module_database_url, tmp_path_factory.mktemp("audit")) as running:
        yield running
