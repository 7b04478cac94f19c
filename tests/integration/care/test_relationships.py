"""What a clinician sees follows the resources, through the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import Connection

from healix_fhir.care import relationships
from healix_fhir.care.relationships import handle
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import Row, Statement, Work, transaction
from healix_fhir.kernel.outbox import Event
from smart_auth.access import AccessContext
from smart_auth.scope import Permission, parse
from tests.support.gate import Pool
from tests.support.search import Clinic


def ref(text: str) -> dict[str, str]:
    """A reference."""
    return {"reference": text}


def team(id_: str, patient: str, practitioner: str, **elements: Any) -> dict[str, Any]:
    """An active care team."""
    return {
        "resourceType": "CareTeam",
        "id": id_,
        "status": "active",
        "subject": ref(f"Patient/{patient}"),
        "participant": [{"member": ref(f"Practitioner/{practitioner}")}],
        **elements,
    }


@pytest.fixture
def clinic(pool: Pool) -> Clinic:
    """A store of three patients and an observation of each."""
    clinic = Clinic(pool)
    for id_ in ("p1", "p2", "p3"):
        clinic.put({"resourceType": "Patient", "id": id_})
        clinic.put(
            {
                "resourceType": "Observation",
                "id": f"o-{id_}",
                "status": "final",
                "code": {"text": "x"},
                "subject": ref(f"Patient/{id_}"),
            }
        )
    return clinic


def work(pool: Pool) -> None:
    """Handle all events that are due."""
    with pool.connection() as connection:
        while drain(connection, {"resource": [handle]}):
            pass


def seen(clinic: Clinic, practitioner: str, type_name: str = "Patient") -> set[str]:
    """The ids that a user token of the practitioner finds."""
    access = AccessContext(parse("user/*.rs"), practitioner=practitioner)
    return {hit.id for hit in clinic.page(type_name, access).entries}


def test_a_team_opens_and_closes(clinic: Clinic, pool: Pool) -> None:
    """A care team opens its patient's record to its members and to nobody else, until it changes or goes."""
    clinic.put(team("t", "p1", "d"))
    assert seen(clinic, "d") == set()
    work(pool)
    assert (seen(clinic, "d"), seen(clinic, "d", "Observation")) == ({"p1"}, {"o-p1"})
    assert seen(clinic, "e") == set()
    clinic.put(team("t", "p2", "d"))
    work(pool)
    assert seen(clinic, "d") == {"p2"}
    clinic.delete("CareTeam", "t")
    work(pool)
    assert seen(clinic, "d") == set()


def test_sources_stand_side_by_side(clinic: Clinic, pool: Pool) -> None:
    """A relationship lasts as long as one resource states it."""
    clinic.put(team("t", "p1", "d"))
    clinic.put({"resourceType": "Patient", "id": "p1", "generalPractitioner": [ref("Practitioner/d")]})
    work(pool)
    clinic.delete("CareTeam", "t")
    work(pool)
    assert seen(clinic, "d") == {"p1"}
    clinic.put({"resourceType": "Patient", "id": "p1"})
    work(pool)
    assert seen(clinic, "d") == set()


def test_periods_are_kept(clinic: Clinic, pool: Pool) -> None:
    """A relationship opens and ends with its period, without any further event."""
    today = datetime.now(UTC)
    begun = {"start": (today - timedelta(days=2)).isoformat()}
    clinic.put(
        team("past", "p1", "d", period=begun | {"end": (today - timedelta(days=1)).isoformat()}),
        team("present", "p2", "d", period=begun | {"end": (today + timedelta(days=1)).isoformat()}),
        team("future", "p3", "d", period={"start": (today + timedelta(days=1)).isoformat()}),
    )
    work(pool)
    assert seen(clinic, "d") == {"p2"}
    with pool.connection() as connection:
        connection.execute("UPDATE care_relationship SET ends = now() WHERE source = 'CareTeam/present'")
        connection.execute("UPDATE care_relationship SET starts = now() WHERE source = 'CareTeam/future'")
    assert seen(clinic, "d") == {"p3"}


def test_encounters_and_appointments(clinic: Clinic, pool: Pool) -> None:
    """Participants of a present encounter and of a booked appointment see the patient."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    clinic.put(
        {
            "resourceType": "Encounter",
            "id": "e",
            "status": "in-progress",
            "class": {"code": "AMB"},
            "subject": ref("Patient/p1"),
            "participant": [{"individual": ref("Practitioner/d")}],
        },
        {
            "resourceType": "Appointment",
            "id": "a",
            "status": "booked",
            "start": tomorrow,
            "end": tomorrow,
            "participant": [
                {"actor": ref("Patient/p2"), "status": "accepted"},
                {"actor": ref("Practitioner/d"), "status": "accepted"},
            ],
        },
    )
    work(pool)
    assert seen(clinic, "d") == {"p1", "p2"}


def test_events_may_repeat_and_come_late(clinic: Clinic, pool: Pool) -> None:
    """An event that comes again, or after what it tells was overtaken, leaves the present state."""
    clinic.put(team("t", "p1", "d"))
    clinic.delete("CareTeam", "t")
    late = [Event("resource", {"type": "CareTeam", "id": "t", "version": 1, "method": "PUT"})] * 2
    transaction(pool, lambda: handle(late))
    assert seen(clinic, "d") == set()
    transaction(pool, lambda: handle([Event("resource", {"type": "Basic", "id": "b", "version": 1, "method": "PUT"})]))


def test_a_role_of_many_patients(clinic: Clinic, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a role changes hands, all that names it follows, however many are looked at together."""
    monkeypatch.setattr(relationships, "AT_ONCE", 7)
    named = {"participant": [{"member": ref("PractitionerRole/r")}]}
    clinic.put(*(team(f"t{n}", f"q{n}", "none", **named) for n in range(30)))
    for who in ("d", "e"):
        clinic.put({"resourceType": "PractitionerRole", "id": "r", "practitioner": ref(f"Practitioner/{who}")})
        work(pool)
        with pool.connection() as connection:
            rows = connection.execute("SELECT practitioner, count(*) FROM care_relationship GROUP BY 1").fetchall()
        assert rows == [(who, 30)]


def test_statements_do_not_grow(clinic: Clinic, pool: Pool) -> None:
    """Three hundred events cost as many statements as one."""
    clinic.put(*(team(f"t{n}", f"q{n % 50}", f"d{n % 7}") for n in range(300)))

    def count(ids: Sequence[str]) -> int:
        events = [Event("resource", {"type": "CareTeam", "id": id_, "version": 1, "method": "PUT"}) for id_ in ids]
        return transaction(pool, lambda: _counted(handle(events)))

    assert count(["t0"]) == count([f"t{n}" for n in range(300)]) == 3
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM care_relationship").fetchone() == (300,)


def _counted(work: Work[None]) -> Work[int]:
    count = 0
    try:
        statement: Statement = next(work)
        while True:
            count += 1
            rows = yield statement
            statement = work.send(rows)
    except StopIteration:
        return count


def test_an_older_state_never_overwrites(clinic: Clinic, pool: Pool) -> None:
    """While an event is handled, what it read cannot change: a later version waits for it."""
    clinic.put(team("t", "p1", "d"))
    first = handle([Event("resource", {"type": "CareTeam", "id": "t", "version": 1, "method": "PUT"})])
    statement = next(first)
    with pool.connection() as connection, connection.transaction():
        _execute(connection, statement)
        with pool.connection() as other:
            row = other.execute("SELECT FROM resource WHERE id = 't' FOR UPDATE SKIP LOCKED").fetchone()
    assert row is None


def _execute(connection: Connection[Row], statement: Statement) -> None:
    connection.execute(statement.sql, statement.params)


def test_writing_needs_the_relationship(clinic: Clinic, pool: Pool) -> None:
    """A practitioner may write into the records of his patients only."""
    clinic.put(team("t", "p1", "d"))
    work(pool)
    access = AccessContext(parse("user/*.cruds"), practitioner="d")
    keys = clinic.keys("p1", "p2")
    assert transaction(pool, lambda: access.may_hold("Observation", Permission.CREATE, [keys["p1"]]))
    assert not transaction(pool, lambda: access.may_hold("Observation", Permission.CREATE, [keys["p2"]]))
    assert not transaction(pool, lambda: access.may_hold("Observation", Permission.CREATE, [keys["p1"], keys["p2"]]))


def test_roles_stand_for_their_practitioners(clinic: Clinic, pool: Pool) -> None:
    """Who is named by a role sees the patient while the role is theirs and active, whichever was stored first."""
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": ref("Practitioner/d")}
    past = {"end": (datetime.now(UTC) - timedelta(days=2)).isoformat()}
    named = {"participant": [{"member": ref("PractitionerRole/r")}]}
    clinic.put(team("t", "p1", "none", **named))
    clinic.put({"resourceType": "Patient", "id": "p2", "generalPractitioner": [ref("PractitionerRole/r")]})
    clinic.put(
        {
            "resourceType": "Encounter",
            "id": "e",
            "status": "in-progress",
            "class": {"code": "AMB"},
            "subject": ref("Patient/p3"),
            "participant": [{"individual": ref("PractitionerRole/r")}],
        }
    )
    work(pool)
    assert seen(clinic, "d") == set()
    for given, d, e in (
        (role, {"p1", "p2", "p3"}, set()),
        (role | {"practitioner": ref("Practitioner/e")}, set(), {"p1", "p2", "p3"}),
        (role | {"active": False}, set(), set()),
        (role | {"period": past}, set(), set()),
        (role, {"p1", "p2", "p3"}, set()),
    ):
        clinic.put(given)
        work(pool)
        assert (seen(clinic, "d"), seen(clinic, "e")) == (d, e)
    clinic.delete("PractitionerRole", "r")
    work(pool)
    assert seen(clinic, "d") == set()


def test_a_team_speaks_for_no_patient_whose_record_it_is_not_in(clinic: Clinic, pool: Pool) -> None:
    """A reference that the index does not take for one to a Patient of this server opens nobody's record, however it
    is read otherwise: who wrote it did not have to be let into that record.
    """
    other = "https://other.test/fhir"
    mine = [{"member": ref("Patient/p1")}, {"member": ref("Practitioner/d")}]
    clinic.put(team("t", "", "d", subject=ref(f"{other}/Patient/p2"), participant=mine))
    with pool.connection() as connection:
        while drain(connection, {"resource": [relationships.consumer((other,))]}):
            pass
    assert seen(clinic, "d") == set()
