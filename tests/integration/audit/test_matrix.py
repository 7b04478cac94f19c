"""Each kind of event once, over HTTP: what the trail says of it, by whom, of which patient, with which outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from healix_fhir.kernel.database import run
from healix_fhir.model.json import encode
from smart_auth.oauth.passwords import hash_password
from smart_auth.store import create_user, revoke
from tests.integration.audit.conftest import FHIR, Clinic, stored
from tests.support.live_server import LiveServer
from tests.support.portal import csrf
from tests.support.resources import observation

PATCH = {"Content-Type": "application/json-patch+json"}
ADDRESS = "127.0.0.1"
PASSWORD = "correct horse battery"


def nothing(_: Clinic) -> None:
    """No preparation."""


def amended(clinic: Clinic) -> dict[str, Any]:
    """The Observation, changed."""
    return observation(f"Patient/{clinic.one}", id=clinic.seen, status="amended")


def without_scope(clinic: Clinic) -> None:
    """A search of a type that the token's scope does not name."""
    with clinic.server.client("system/Patient.rs", client="registry") as narrow:
        narrow.get("/fhir/Observation")


def reindexed(clinic: Clinic) -> None:
    """A run of $reindex that is looked at and ended."""
    address = clinic.all.post("/fhir/$reindex").headers["content-location"]
    clinic.all.get(address).raise_for_status()
    clinic.all.delete(address).raise_for_status()


EXPRESSION = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": "expression", "valueString": "active"},
        {"name": "resource", "resource": {"resourceType": "Patient", "active": True}},
    ],
}
Do = Callable[[Clinic], Any]
ACTIONS: dict[str, tuple[Do, Do, list[tuple[str, str, int, str | None]]]] = {
    # what is done before, what is done, and what the trail says of it: action, subtype, outcome, patient
    "read": (nothing, lambda c: c.all.get(f"/fhir/Observation/{c.seen}"), [("R", "read", 0, "one")]),
    "vread": (nothing, lambda c: c.all.get(f"/fhir/Observation/{c.seen}/_history/1"), [("R", "vread", 0, "one")]),
    "history": (
        nothing,
        lambda c: c.all.get(f"/fhir/Observation/{c.seen}/_history"),
        [("R", "history-instance", 0, "one")],
    ),
    "history of a type": (
        nothing,
        lambda c: c.all.get("/fhir/Observation/_history?_count=1"),
        [("R", "history-type", 0, "one")],
    ),
    "search": (
        nothing,
        lambda c: c.all.get(f"/fhir/Patient?_id={c.one},{c.two}"),
        [("E", "search-type", 0, "one"), ("E", "search-type", 0, "two")],
    ),
    "search that includes": (
        nothing,
        lambda c: c.all.get(f"/fhir/Observation?_id={c.seen}&_include=Observation:subject"),
        [("E", "search-type", 0, "one")],
    ),
    "search that finds nothing": (
        nothing,
        lambda c: c.all.get("/fhir/Patient?_id=none"),
        [("E", "search-type", 0, None)],
    ),
    "own search that finds nothing": (
        nothing,
        lambda c: c.other.get("/fhir/Observation?code=none"),
        [("E", "search-type", 0, "two")],
    ),
    "create": (
        nothing,
        lambda c: c.all.post("/fhir/Observation", content=encode(observation(f"Patient/{c.two}")), headers=FHIR),
        [("C", "create", 0, "two")],
    ),
    "update": (nothing, lambda c: c.put("Observation", amended(c)), [("U", "update", 0, "one")]),
    "update that moves": (
        nothing,
        lambda c: c.put("Observation", observation(f"Patient/{c.two}", id=c.seen)),
        [("U", "update", 0, "two"), ("U", "update", 0, "one")],
    ),
    "update that creates": (
        nothing,
        lambda c: c.put("Observation", observation(f"Patient/{c.one}", id=f"new-{c.seen}")),
        [("C", "update", 0, "one")],
    ),
    "patch": (
        nothing,
        lambda c: c.all.patch(
            f"/fhir/Observation/{c.seen}",
            content=encode([{"op": "replace", "path": "/status", "value": "amended"}]),
            headers=PATCH,
        ),
        [("U", "patch", 0, "one")],
    ),
    "delete": (nothing, lambda c: c.all.delete(f"/fhir/Observation/{c.seen}"), [("D", "delete", 0, "one")]),
    "conditional delete": (
        nothing,
        lambda c: c.all.delete(f"/fhir/Observation?_id={c.seen}"),
        [("D", "delete", 0, "one")],
    ),
    "conditional delete of nothing": (
        nothing,
        lambda c: c.all.delete("/fhir/Observation?_id=none"),
        [("D", "delete", 4, None)],
    ),
    "conditional delete of nothing in a batch": (
        nothing,
        lambda c: c.bundle("batch", {"request": {"method": "DELETE", "url": "Observation?_id=none"}}),
        [("D", "delete", 4, None)],
    ),
    "conditional delete of nothing in a transaction": (
        nothing,
        lambda c: c.bundle("transaction", {"request": {"method": "DELETE", "url": "Observation?_id=none"}}),
        [("D", "delete", 4, None)],
    ),
    "batch": (
        nothing,
        lambda c: c.bundle(
            "batch",
            {"request": {"method": "GET", "url": f"Observation/{c.seen}"}},
            {"request": {"method": "GET", "url": f"Patient?_id={c.two}"}},
        ),
        [("R", "read", 0, "one"), ("E", "search-type", 0, "two")],
    ),
    "transaction": (
        nothing,
        lambda c: c.bundle(
            "transaction",
            {"resource": amended(c), "request": {"method": "PUT", "url": f"Observation/{c.seen}"}},
            {"request": {"method": "GET", "url": f"Patient/{c.two}"}},
        ),
        [("U", "update", 0, "one"), ("R", "read", 0, "two")],
    ),
    "transaction that fails": (
        nothing,
        lambda c: c.bundle(
            "transaction",
            {"resource": amended(c), "request": {"method": "PUT", "url": f"Observation/{c.seen}"}},
            {"request": {"method": "GET", "url": "Patient/none"}},
        ),
        [],
    ),
    "update that is refused": (
        nothing,
        lambda c: c.other.put(f"/fhir/Observation/{c.seen}", content=encode(amended(c)), headers=FHIR),
        [("U", "update", 4, "one")],
    ),
    "search without the scope": (
        nothing,
        without_scope,
        [("C", "token", 0, None), ("E", "search-type", 4, None)],
    ),
    "request without a token": (
        nothing,
        lambda c: httpx.get(f"{c.server.url}/fhir/Patient"),
        [("E", "token", 4, None)],
    ),
    "STOW-RS": (nothing, stored, [("C", "STOW-RS", 0, "one")]),
    "QIDO-RS": (
        stored,
        lambda c: c.all.get(f"/dicomweb/studies?StudyInstanceUID={c.study}"),
        [("E", "query-study", 0, "one")],
    ),
    "QIDO-RS that finds nothing": (
        nothing,
        lambda c: c.all.get("/dicomweb/studies?StudyInstanceUID=1.2.3"),
        [("E", "query-study", 0, None)],
    ),
    "WADO-RS": (stored, lambda c: c.all.get(f"/dicomweb/studies/{c.study}"), [("R", "retrieve", 0, "one")]),
    "WADO-RS of metadata": (
        stored,
        lambda c: c.all.get(f"/dicomweb/studies/{c.study}/metadata"),
        [("R", "retrieve-metadata", 0, "one")],
    ),
    "$validate of what is sent": (
        nothing,
        lambda c: c.all.post("/fhir/Observation/$validate", content=encode(amended(c)), headers=FHIR),
        [("E", "$validate", 0, None)],
    ),
    "$validate of what is stored": (
        nothing,
        lambda c: c.all.get(f"/fhir/Observation/{c.seen}/$validate"),
        [("R", "read", 0, "one")],
    ),
    "$fhirpath": (
        nothing,
        lambda c: c.all.post("/fhir/$fhirpath", content=encode(EXPRESSION), headers=FHIR),
        [("E", "$fhirpath", 0, None)],
    ),
    "operations of a batch": (
        nothing,
        lambda c: c.bundle(
            "batch",
            {"request": {"method": "POST", "url": "$fhirpath"}, "resource": EXPRESSION},
            {"request": {"method": "POST", "url": "Observation/$validate"}, "resource": amended(c)},
        ),
        [("E", "$fhirpath", 0, None), ("E", "$validate", 0, None)],
    ),
    "operations of a transaction": (
        nothing,
        lambda c: c.bundle("transaction", {"request": {"method": "POST", "url": "$fhirpath"}, "resource": EXPRESSION}),
        [("E", "$fhirpath", 0, None)],
    ),
    "$reindex from its start to its end": (
        nothing,
        reindexed,
        [("E", "$reindex", 0, None), ("R", "$reindex", 0, None), ("D", "$reindex", 0, None)],
    ),
    "AuditEvent": (
        nothing,
        lambda c: c.all.get("/fhir/AuditEvent?patient=none"),
        [("E", "search-type", 0, None)],
    ),
}
QUIET = {"request without a token"}
"""Nobody is known to have asked."""


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.spec("FHIR R4 security.html#audit")
def test_every_event_is_recorded_for_each_patient_concerned(clinic: Clinic, name: str) -> None:
    """Who did what to whom, and how it went: exactly these rows, written before the answer."""
    before, do, expected = ACTIONS[name]
    before(clinic)
    mark = clinic.last()
    do(clinic)
    rows = clinic.trail(mark)
    people = {"one": clinic.one, "two": clinic.two, None: None}
    told = [(action, subtype, outcome, patient_) for action, subtype, outcome, patient_, *_ in rows]
    assert sorted(told, key=str) == sorted(((a, s, o, people[p]) for a, s, o, p in expected), key=str)
    for _, subtype, outcome, _, client, _, address in rows:
        assert client in ({None} if name in QUIET else {"registry", "portal"})
        assert address == (None if (subtype, outcome) == ("token", 0) else ADDRESS)


def test_logins_are_recorded(server: LiveServer, module_database_url: str) -> None:
    """An account's making, a refused login and a login name the account and, where there is one, its address."""
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        run(
            connection,
            create_user("dora", role="patient", fhir_user="Patient/dora", password_hash=hash_password(PASSWORD)),
        )
    with httpx.Client(base_url=server.url, follow_redirects=True) as browser:
        for password in ("wrong", PASSWORD):
            fields = {"username": "dora", "password": password, "csrf": csrf(browser.get("/account/login"))}
            browser.post("/account/login", data=fields)
    with psycopg.connect(module_database_url) as connection:
        rows = connection.execute(
            """SELECT action, subtype, outcome, address FROM audit_event
               WHERE account = 'dora' AND subtype IN ('account', 'login') ORDER BY seq"""
        ).fetchall()
    assert rows == [("C", "account", 0, None), ("E", "login", 4, ADDRESS), ("E", "login", 0, ADDRESS)]


def test_a_token_is_recorded_from_its_making_to_its_end(server: LiveServer, module_database_url: str) -> None:
    """A token's creation and revocation name its client, its patient and, made, its scope."""
    token = server.token("patient/*.rs", client="tokens", patient="someone")
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        assert run(connection, revoke(token))
        rows = connection.execute(
            "SELECT action, subtype, patient, query FROM audit_event WHERE client = 'tokens' ORDER BY seq"
        ).fetchall()
    assert rows == [("C", "token", "someone", "patient/*.rs"), ("D", "token", "someone", None)]


def test_administration_is_recorded(module_database_url: str) -> None:
    """A new DIMSE peer is an event of the operator's."""
    from dicomweb.dimse import peers

    with psycopg.connect(module_database_url, autocommit=True) as connection:
        run(connection, peers.add("CT1", "ct.example", 104))
        rows = connection.execute(
            "SELECT action, subtype, client, entity, query FROM audit_event WHERE subtype = 'peer'"
        ).fetchall()
    assert rows == [("U", "peer", "healix-cli", "CT1", "ct.example:104 every service")]


@pytest.mark.parametrize(
    "path", ["/fhir/Observation/{seen}", "/fhir/Observation?_id={seen}", "/fhir/Observation/{seen}/_history"]
)
def test_nothing_is_shown_that_cannot_be_recorded(clinic: Clinic, path: str) -> None:
    """Where the trail cannot be written, the answer is an error without the data, and nothing is changed."""
    with psycopg.connect(clinic.url, autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE audit_event ADD CONSTRAINT closed CHECK (client IS DISTINCT FROM 'registry') NOT VALID"
        )
        try:
            answer = clinic.all.get(path.format(seen=clinic.seen))
            update = clinic.put("Observation", amended(clinic))
        finally:
            connection.execute("ALTER TABLE audit_event DROP CONSTRAINT closed")
    assert answer.status_code >= 500
    assert "valueQuantity" not in answer.text
    assert update.status_code >= 500
    assert clinic.all.get(f"/fhir/Observation/{clinic.seen}").json()["status"] == "final"
