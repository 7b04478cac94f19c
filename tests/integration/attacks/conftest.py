"""One scene for the attacks of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.attacks.scene import Scene, seeded
from tests.support.attacks.scene import scene as served


@pytest.fixture(scope="module")
def scene(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A server with a hidden patient."""
    directory = tmp_path_factory.mktemp("attacks")
    with served(module_database_url, directory, seeded(module_database_url, directory)) as made:
        yield made
