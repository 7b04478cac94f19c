"""What a process knows of custom search parameters follows the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.interaction.accept import change
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.model import custom
from healix_fhir.server import parameter_watch
from healix_fhir.server.parameter_watch import watching
from healix_fhir.store.commit import commit
from healix_fhir.store.custom_parameters import LOCK
from healix_fhir.store.stored import Method
from tests.support.parameters import search_parameter
from tests.support.search import BASE, EVERYONE, Clinic


@pytest.fixture
def clinic(pool: ConnectionPool[Connection[Row]]) -> Clinic:
    """A store."""
    return Clinic(pool)


@pytest.fixture
def watched(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process knows what the database says."""
    monkeypatch.setattr(parameter_watch, "AGAIN", 0.2)
    monkeypatch.setattr(parameter_watch, "LOOK", 0.5)
    with watching(database_url):
        yield


def store(clinic: Clinic, code: str, status: str = "active") -> None:
    """Define a parameter of Patient, as another process does."""
    resource = search_parameter(code, "token", "Patient.gender", "Patient", status=status)
    made = change(Method.PUT, resource, "SearchParameter", code, (BASE,))
    transaction(clinic.pool, lambda: commit(EVERYONE, [made]))


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def known() -> set[str]:
    """The codes of Patient that this process knows of."""
    return {*custom.current().pending.get("Patient", ()), *custom.current().searchable.get("Patient", ())}


def locks(clinic: Clinic) -> list[Row]:
    """The generations on which locks are held."""
    return clinic.run(
        """SELECT objid::bigint - 1 FROM pg_locks
           WHERE locktype = 'advisory' AND classid::bigint = %s AND objid::bigint > 0
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
        (LOCK,),
    )


@pytest.mark.usefixtures("watched")
def test_changes_are_heard(clinic: Clinic) -> None:
    """Each is known soon, and the lock that tells of it stands on the newest generation alone."""
    assert known() == set()
    eventually(lambda: locks(clinic) == [(0,)])
    store(clinic, "a")
    eventually(lambda: known() == {"a"})
    store(clinic, "b")
    eventually(lambda: known() == {"a", "b"})
    eventually(lambda: locks(clinic) == [(2,)])
    clinic.delete("SearchParameter", "a")
    eventually(lambda: known() == {"b"})
    store(clinic, "b", status="retired")
    eventually(lambda: known() == set())


@pytest.mark.usefixtures("watched")
def test_what_was_missed_is_known_after_the_connection_is_back(clinic: Clinic, database_url: str) -> None:
    """A change that was announced while nobody listened."""
    eventually(lambda: locks(clinic) == [(0,)])
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            """SELECT pg_terminate_backend(pid) FROM pg_locks
               WHERE locktype = 'advisory' AND classid::bigint = %s AND objid = 1""",
            (LOCK,),
        )
    store(clinic, "a")
    eventually(lambda: known() == {"a"})
    eventually(lambda: locks(clinic) == [(1,)])


@pytest.mark.usefixtures("watched")
def test_what_was_never_announced_is_found(clinic: Clinic) -> None:
    """The generation is looked at from time to time."""
    eventually(lambda: locks(clinic) == [(0,)])
    clinic.run("INSERT INTO parameter_generation (one, number, changed) VALUES (1, 7, now())")
    eventually(lambda: custom.current().generation == 7)
