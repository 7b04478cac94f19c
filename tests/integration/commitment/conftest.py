"""A study store for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel.database import Row
from tests.support.study import Store, open_store


@pytest.fixture
def store(pool: ConnectionPool[Connection[Row]], tmp_path: Path) -> Store:
    """An empty study store."""
    return open_store(pool, tmp_path / "images")
