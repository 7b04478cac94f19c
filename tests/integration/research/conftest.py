"""A study store, and a server, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.research import making
from healix_fhir.kernel.database import Row
from tests.support.live_server import LiveServer, live_server
from tests.support.study import Store, open_store


@pytest.fixture(scope="module", autouse=True)
def forked() -> Iterator[None]:
    """Processes that de-identify are forked from one that has their imports, or each test would wait for these."""
    context = get_context("forkserver")
    context.set_forkserver_preload([making.__name__])
    with patch.object(making, "get_context", lambda _: context):
        yield


@pytest.fixture
def store(pool: ConnectionPool[Connection[Row]], tmp_path: Path) -> Store:
    """An empty study store."""
    return open_store(pool, tmp_path / "images")


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server."""
    with live_server(module_database_url, tmp_path_factory.mktemp("research")) as served:
        yield served
