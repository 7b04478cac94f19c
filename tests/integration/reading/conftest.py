"""One clinic that reads images for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel.database import Row, open_pool
from tests.support.reading import ReadingRoom, reading_room


@pytest.fixture
def room(
    database_url: str, pool: ConnectionPool[Connection[Row]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReadingRoom]:
    """An empty reading room."""
    with reading_room(database_url, pool, tmp_path_factory.mktemp("reading")) as found:
        yield found


@pytest.fixture(scope="module")
def shared(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadingRoom]:
    """A reading room of a module, with the case of the order o1."""
    with (
        open_pool(module_database_url, size=4) as pool,
        reading_room(module_database_url, pool, tmp_path_factory.mktemp("reading")) as found,
    ):
        found.case()
        yield found
