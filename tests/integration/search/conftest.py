"""A store of its own for each test of the search."""

from __future__ import annotations

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel.database import Row
from tests.support.search import Clinic


@pytest.fixture
def clinic(pool: ConnectionPool[Connection[Row]]) -> Clinic:
    """An empty store with a search over it."""
    return Clinic(pool)
