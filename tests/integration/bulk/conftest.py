"""A live server with a few patients for the tests of bulk data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.live_server import LiveServer, live_server
from tests.support.preloaded import forked  # noqa: F401 - a fixture for all
from tests.support.ward import fill


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the ward's patients (tests/support/ward.py)."""
    with live_server(module_database_url, tmp_path_factory.mktemp("bulk")) as running:
        with running.client("system/*.cruds", client="registry") as client:
            fill(client)
        yield running


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A backend service that may search everything."""
    with server.client("system/*.rs", client="analytics") as opened:
        yield opened


@pytest.fixture
def writer(server: LiveServer) -> Iterator[httpx.Client]:
    """A service that may change everything."""
    with server.client("system/*.cruds", client="registry") as opened:
        yield opened


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """An empty directory."""
    return tmp_path
