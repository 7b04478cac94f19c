"""Reads on a hot standby, where nothing can be written: another statement, under the same predicate, then the trail."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel.database import Row, Statement, Work, transaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.store.read import Ask, read_each
from healix_fhir.store.stored import Stored
from tests.support.fhir_server import of_patient
from tests.support.resources import observation, patient
from tests.support.search import Clinic

Pool = ConnectionPool[Connection[Row]]
WANTED = [("Patient", "p"), ("Patient", "q"), ("Observation", "of-p"), ("Observation", "of-q"), ("Patient", "none")]


@pytest.fixture
def clinic(pool: Pool) -> Clinic:
    """Two patients with an Observation each."""
    found = Clinic(pool)
    for id_ in ("p", "q"):
        found.put(patient(id=id_), observation(f"Patient/{id_}", id=f"of-{id_}"))
    return found


def apart(work: Work[list[Stored | HealixError]]) -> Generator[Statement, Any, list[Stored | HealixError]]:
    """The use case as a standby drives it."""
    try:
        statement = next(work)
        while True:
            rows = (yield from statement.apart()) if statement.apart is not None else (yield statement)
            statement = work.send(rows)
    except StopIteration as stop:
        result: list[Stored | HealixError] = stop.value
        return result


def asked(pool: Pool, scope: str) -> tuple[list[object], list[Row]]:
    """What p's app gets of each, and what the trail says of it."""
    access = of_patient(pool, "p", scope)
    found = transaction(pool, lambda: apart(read_each([Ask(access, *address) for address in WANTED])))
    with pool.connection() as connection:
        trail = connection.execute("SELECT entity, patient FROM audit_event WHERE subtype = 'read' ORDER BY 1")
        told: list[object] = [one.category if isinstance(one, HealixError) else one.id for one in found]
        return told, trail.fetchall()


def test_nobody_elses(clinic: Clinic) -> None:
    """A patient's app gets that patient's; of another patient's it is told what it is told of nothing."""
    gone = Category.NOT_FOUND
    told, trail = asked(clinic.pool, "patient/*.cruds")
    assert told == ["p", gone, "of-p", gone, gone]
    assert trail == [("Observation/of-p", "p"), ("Patient/p", "p")]


def test_no_scope(clinic: Clinic) -> None:
    """What the scope does not open is refused, and is not on record as shown."""
    told, trail = asked(clinic.pool, "patient/Patient.rs")
    gone, closed = Category.NOT_FOUND, Category.FORBIDDEN
    assert told == ["p", gone, closed, closed, gone]
    assert trail == [("Patient/p", "p")]
