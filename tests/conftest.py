"""Fixtures that every kind of test shares."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel import embedded
from healix_fhir.kernel.database import Row, open_pool
from healix_fhir.model import custom
from healix_fhir.server.migrate import migrate
from healix_fhir.store import known_texts
from smart_auth import patients
from tests.support.serve import served  # noqa: F401 - a fixture

_numbers = itertools.count()
ATTEMPTS = 5

# how long an example takes says more of the machine than of the code
hypothesis.settings.register_profile("healix", deadline=None)
hypothesis.settings.load_profile("healix")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give each run a directory for temporary files of its own.

    Whenever a run starts, pytest closes the directory that the runs of a user share to all others. Under root an
    embedded PostgreSQL is another user, and that of another run would be cut off from its files.
    """
    if config.option.basetemp is None:
        config.option.basetemp = tempfile.mkdtemp(prefix="healix-tests-")
        config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL whose database `template` has the whole schema; without fsync, since tests may lose it."""
    directory: Path = tmp_path_factory.mktemp("postgres")
    server = embedded.start(directory)
    url = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE DATABASE template_healix")
    migrate(server.get_uri(database="template_healix"))
    yield url
    server.cleanup()


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """A database of its own for one test, with the whole schema and no rows."""
    with _new_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(postgres_url: str) -> Iterator[str]:
    """A database that the tests of one module share."""
    with _new_database(postgres_url) as url:
        yield url


@contextmanager
def _new_database(postgres_url: str) -> Iterator[str]:
    patients.forget()  # surrogate keys of another test's database
    known_texts.forget()
    custom.install(custom.NONE)
    name = f"test_{next(_numbers)}"
    _administer(postgres_url, f"CREATE DATABASE {name} TEMPLATE template_healix")
    yield postgres_url.replace("/postgres?", f"/{name}?")
    custom.install(custom.NONE)
    _administer(postgres_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _administer(url: str, statement: str) -> None:
    """Run a statement on the test server; tried again, for on a busy machine its connection is sometimes cut."""
    for attempt in range(ATTEMPTS):
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(statement)
        except psycopg.errors.DuplicateDatabase:
            return  # made by the try whose connection was cut
        except psycopg.OperationalError:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(1)
        else:
            return


@pytest.fixture
def pool(database_url: str) -> Iterator[ConnectionPool[Connection[Row]]]:
    """A synchronous pool on a database of its own."""
    with open_pool(database_url, size=4) as opened:
        yield opened
