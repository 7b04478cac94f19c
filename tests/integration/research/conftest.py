"""A study store, and a server, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel.database import Row
from tests.support.live_server import LiveServer, live_server
from tests.support.preloaded import forked  # noqa: F401 - a fixture for all
from tests.support.study import Store, open_store


@pytest.fixture
def store(pool: ConnectionPool[Connection[Row]], tmp_path: Path) -> Store:
    """An empty study store."""
    return open_store(pool, tmp_path / "images")


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server."""
    with live_server(module_database_url, tmp_path_factory.mktemp("research")) as served:
        yield served
