"""One scene for the attacks of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.attacks.scene import Scene
from tests.support.attacks.scene import scene as set_up


@pytest.fixture(scope="module")
def scene(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A server with a hidden patient."""
    with set_up(module_database_url, tmp_path_factory.mktemp("attacks")) as made:
        yield made
