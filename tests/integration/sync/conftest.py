"""A central server, a site whose changes go there, and the line between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from dicomweb.errand.queue import Kind
from dicomweb.errand.work import worker
from dicomweb.events import TOPIC
from dicomweb.study.store import deposit
from healix_fhir.care.sync import following
from healix_fhir.care.sync.conflicts import Conflict, Keep, conflicts, resolve
from healix_fhir.care.sync.errand import syncer
from healix_fhir.care.sync.standing import Standing, standing
from healix_fhir.care.sync.upstream import Upstream, put
from healix_fhir.interaction.accept import change
from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import Row, run, transaction
from healix_fhir.store.body import unpack
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import internal
from smart_auth.store import create_token
from tests.support.cutting import Proxy, cutting
from tests.support.databases import Databases
from tests.support.gate import Pool
from tests.support.plain import NO_TLS
from tests.support.serve import Served, serving
from tests.support.study import SYSTEM, Store, open_store

BASE = "http://site.example/fhir"
ACCESS = internal("test")
NAME = "central"


class Central:
    """The server that everything goes to."""

    def __init__(self, served: Served, database_url: str) -> None:
        self.served, self.database_url = served, database_url
        with psycopg.connect(database_url, autocommit=True) as connection:
            self.token = run(connection, create_token("system/*.cruds"))
        headers = {"Authorization": f"Bearer {self.token}"}
        self.http = httpx.Client(base_url=served.url, headers=headers, timeout=60, verify=NO_TLS)

    def versions(self, url: str) -> list[tuple[str, dict[str, Any] | None]]:
        """The versions of a resource, the first first: method and what it holds but for its meta."""
        found = self.http.get(f"/fhir/{url}/_history", params={"_count": "200"})
        entries = found.json().get("entry", []) if found.status_code == 200 else []
        return [(one["request"]["method"], plain(one.get("resource"))) for one in reversed(entries)]

    def read(self, url: str) -> dict[str, Any]:
        """A resource."""
        found: dict[str, Any] = self.http.get(f"/fhir/{url}").json()
        return found

    def put(self, resource: dict[str, Any]) -> None:
        """Somebody changes a resource there."""
        self.http.put(f"/fhir/{resource['resourceType']}/{resource['id']}", json=resource).raise_for_status()


def plain(resource: dict[str, Any] | None) -> dict[str, Any] | None:
    """A resource without its meta."""
    return None if resource is None else {name: value for name, value in resource.items() if name != "meta"}


class Site:
    """A site: its store, and the worker's steps that send what changes."""

    def __init__(self, pool: Pool, root: Path, proxy: Proxy) -> None:
        self.pool, self.proxy = pool, proxy
        self.store: Store = open_store(pool, root / "images")
        self.token_file = root / "token"
        self.consumers = {"resource": (following.changed,), TOPIC: (following.arrived,)}
        self.step = worker({Kind.SYNC: syncer(self.store.archive, BASE, "site.example:80", lambda: False)})

    def connect(self, token: str, **changes: Any) -> None:
        """Add the central server."""
        self.token_file.write_text(token)
        token_file = None if "client" in changes else str(self.token_file)
        bases = {"fhir": f"{self.proxy.url}/fhir", "dicomweb": f"{self.proxy.url}/dicomweb"}
        plan = bases | {"allow_private": True, "token_file": token_file} | changes
        everything = plan.pop("everything", True)
        transaction(self.pool, lambda: put(ACCESS, Upstream(NAME, **plan), everything=everything))

    def write(self, *resources: dict[str, Any]) -> None:
        """Each is a change of its own, in this order."""
        for one in resources:
            made = change(Method.PUT, dict(one), one["resourceType"], one["id"], (BASE,))
            transaction(self.pool, lambda made=made: commit(ACCESS, [made]))  # type: ignore[misc]

    def delete(self, type_name: str, id_: str) -> None:
        """Delete a resource."""
        transaction(self.pool, lambda: commit(ACCESS, [Change(Method.DELETE, type_name, id_)]))

    def add(self, *files: bytes) -> None:
        """Images come."""
        deposit(self.pool, self.store.archive, SYSTEM, [self.store.receive(file) for file in files], "STOW-RS")

    def events(self) -> None:
        """The outbox is handled."""
        with self.pool.connection() as connection:
            while drain(connection, self.consumers):
                pass

    def turn(self, *, now: bool = True) -> int:
        """The worker looks for something to do; with `now` all pauses are over."""
        if now:
            self.sql("UPDATE errand SET due = now()")
            self.sql("UPDATE sync_upstream SET due = now()")
            self.sql("UPDATE study SET updated = updated - interval '1 minute'")
            self.sql("UPDATE sync_study SET asked = asked - interval '1 minute'")
        with self.pool.connection() as connection:
            connection.autocommit = True
            return self.step(connection)

    def sync(self, most: int = 200) -> None:
        """Everything that changed goes there, whatever it takes."""
        self.events()
        for _ in range(most):
            self.turn()
            if not self.waiting():
                return
        raise AssertionError(self.standing())

    def waiting(self) -> int:
        """How much is to be sent that no conflict holds."""
        now = self.standing()
        return now.behind - now.held + now.studies

    def standing(self) -> Standing:
        """How the upstream stands."""
        (found,) = transaction(self.pool, standing)
        return found

    def conflicts(self) -> list[Conflict]:
        """What is to be decided."""
        return transaction(self.pool, conflicts)

    def keep(self, url: str, keep: Keep) -> None:
        """Decide a conflict."""
        type_name, _, id_ = url.partition("/")
        transaction(self.pool, lambda: resolve(OPERATOR, NAME, type_name, id_, keep, (BASE,), version=None))

    def versions(self, url: str) -> list[tuple[str, dict[str, Any] | None]]:
        """The versions of a resource, as of the central server."""
        rows = self.sql(
            """SELECT version, method, deleted, body, true FROM resource WHERE id = %s
               UNION ALL SELECT version, method, deleted, body, false FROM resource_history WHERE id = %s ORDER BY 1""",
            *[url.partition("/")[2]] * 2,
        )
        return [
            (method, None if deleted else plain(json.loads(body if current else unpack(body))))
            for _, method, deleted, body, current in rows
        ]

    def read(self, url: str) -> dict[str, Any] | None:
        """A resource of the site without its meta; None where it is deleted."""
        rows = self.sql("SELECT body, deleted FROM resource WHERE id = %s", url.partition("/")[2])
        return None if rows[0][1] else plain(json.loads(rows[0][0]))

    def sql(self, statement: str, *params: Any) -> list[Row]:
        """Rows of a statement."""
        return self.store.sql(statement, *params)


@pytest.fixture(scope="session")
def central(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Central]:
    """A server in processes of its own, for all tests of this room."""
    with (
        databases.one() as url,
        serving(tmp_path_factory.mktemp("central") / "data", "--workers", "1", database_url=url) as served,
    ):
        found = Central(served, url)
        with found.http:
            yield found


@pytest.fixture
def proxy(central: Central) -> Iterator[Proxy]:
    """The line to the central server."""
    with cutting("127.0.0.1", central.served.port) as line:
        yield line


@pytest.fixture
def site(pool: Pool, tmp_path: Path, proxy: Proxy) -> Site:
    """An empty site."""
    return Site(pool, tmp_path, proxy)


def patient(id_: str, family: str = "Doe") -> dict[str, Any]:
    """A patient."""
    return {
        "resourceType": "Patient",
        "id": id_,
        "identifier": [{"system": "urn:site", "value": id_}],
        "name": [{"family": family}],
    }


def reading(id_: str, subject: str, value: int = 70) -> dict[str, Any]:
    """A heart rate."""
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": f"Patient/{subject}"},
        "effectiveDateTime": "2026-03-01T08:00:00Z",
        "valueQuantity": {"value": value, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
    }
