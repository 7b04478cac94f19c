"""A database as in production, for benchmarks of the store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from healix_fhir.kernel import embedded
from healix_fhir.server.migrate import migrate
from healix_fhir.store import known_texts
from smart_auth import patients


@pytest.fixture(scope="session", autouse=True)
def owasp() -> None:
    """Passwords are hashed as in production."""


@pytest.fixture(scope="module")
def durable_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with fsync."""
    server = embedded.start(tmp_path_factory.mktemp("durable"))
    migrate(server.get_uri())
    patients.forget()
    known_texts.forget()
    yield server.get_uri()
    server.cleanup()
