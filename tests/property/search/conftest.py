"""One store for each module of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from healix_fhir.kernel.database import open_pool
from tests.property.search.store import Store
from tests.support.search import Clinic


@pytest.fixture(scope="module")
def store(module_database_url: str) -> Iterator[Store]:
    """A store, to be settled."""
    with open_pool(module_database_url, size=1) as opened:
        yield Store(Clinic(opened))
