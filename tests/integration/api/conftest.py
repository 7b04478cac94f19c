"""A live server for the tests of the FHIR edge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live_server import LiveServer, live_server


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[LiveServer]:
    """A server on a database of its own."""
    with live_server(database_url, tmp_path, max_body_mb=1) as running:
        yield running
