"""Fixtures that every kind of test shares."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import hypothesis
import psycopg
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from dicomweb.study import continued
from healix_fhir.kernel import embedded
from healix_fhir.kernel.database import Row, open_pool
from healix_fhir.model import custom
from healix_fhir.server.migrate import migrate
from healix_fhir.store import known_texts
from smart_auth import patients, several
from smart_auth.oauth import passwords
from tests.support.databases import TEMPLATE, Databases
from tests.support.examples import examples
from tests.support.partitioned import partition
from tests.support.schedule import ordered
from tests.support.serve import served, set_up  # noqa: F401 - fixtures

# how long an example takes, or is made, says more of the machine than of the code
hypothesis.settings.register_profile(
    "healix", deadline=None, max_examples=examples(50), suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage while modules and tests are made, nor later among them: nothing of it goes before the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)  # after the random order
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let each process of several start with the long modules."""
    if hasattr(config, "workerinput"):
        items[:] = ordered(items)


@pytest.fixture(scope="session", autouse=True)
def owasp() -> Iterator[PasswordHash]:
    """What hashes passwords but in tests, where the cheapest does: it takes longer than most of what a test asks for,
    at a priority at which everything else on the machine comes first.
    """
    real, cheap = passwords._hasher(), PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    with patch.object(passwords, "_hasher", lambda: cheap):
        passwords._nobody.cache_clear()
        yield real


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL whose database `template` has the whole schema; without fsync, since tests may lose it.

    With HEALIX_TEST_PARTS its tables have so many hash partitions, and all tests run on such databases.
    """
    directory: Path = tmp_path_factory.mktemp("postgres")
    server = embedded.start(directory)
    url = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET autovacuum = off")  # statistics change plans
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    migrate(server.get_uri(database=TEMPLATE))
    if parts := os.environ.get("HEALIX_TEST_PARTS"):
        partition(server.get_uri(database=TEMPLATE), int(parts))
    yield url
    server.cleanup()


@pytest.fixture(scope="session")
def databases(postgres_url: str) -> Iterator[Databases]:
    """The databases of the tests."""
    with Databases(postgres_url) as made:
        yield made


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A database of its own for one test, with the whole schema and no rows."""
    with _forgotten(), databases.one() as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(databases: Databases) -> Iterator[str]:
    """A database that the tests of one module share."""
    with _forgotten(), databases.one() as url:
        yield url


@contextmanager
def _forgotten() -> Iterator[None]:
    """What the process knows of another test's database does not hold of this."""
    patients.forget()
    several.forget()
    known_texts.forget()
    continued.forget()
    custom.install(custom.NONE)
    yield
    custom.install(custom.NONE)


@pytest.fixture
def pool(database_url: str) -> Iterator[ConnectionPool[Connection[Row]]]:
    """A synchronous pool on a database of its own."""
    with open_pool(database_url, size=4) as opened:
        yield opened
