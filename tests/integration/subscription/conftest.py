"""A store with Subscriptions over it, and a receiver of their notifications."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from healix_fhir.care.relationships import handle
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import transaction
from healix_fhir.search.extract import extract
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from healix_fhir.subscription.deliver import deliverer
from healix_fhir.subscription.notify import consumer
from smart_auth.access import AccessContext
from smart_auth.account.home import Home
from tests.support.gate import Pool
from tests.support.receiver import Receiver, receiving
from tests.support.search import BASE, EVERYONE, Clinic

WAITING = "SELECT coalesce(sum(events - told), 0)::int FROM subscription WHERE state <> 'off'"


class Notified(Clinic):
    """A clinic whose changes are told to subscribers."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.allow_private = True

    def write(self, resource: dict[str, Any], access: AccessContext = EVERYONE) -> None:
        """Store a resource as `access`."""
        rows = extract(resource, resource["resourceType"], (BASE,))
        change = Change(Method.PUT, resource["resourceType"], resource["id"], resource, rows)
        transaction(self.pool, lambda: commit(access, [change]))

    def subscribe(
        self, id_: str, endpoint: str, access: AccessContext = EVERYONE, *, payload: bool = True, **elements: Any
    ) -> None:
        """Write a Subscription to final observations as `access`, and let it be handled."""
        channel = {"type": "rest-hook", "endpoint": endpoint}
        if payload:
            channel["payload"] = "application/fhir+json"
        resource = {
            "resourceType": "Subscription",
            "id": id_,
            "status": "requested",
            "reason": "test",
            "criteria": "Observation?status=final",
            "channel": channel | elements.pop("channel", {}),
            **elements,
        }
        self.write(resource, access)
        self.events()

    def events(self) -> None:
        """Handle all events."""
        consumers = {"resource": (handle, consumer((BASE,), allow_private=self.allow_private))}
        with self.pool.connection() as connection:
            while drain(connection, consumers):
                pass
            left = connection.execute(
                "SELECT count(*) FROM outbox WHERE topic = ANY(%s)", (list(consumers),)
            ).fetchone()
        assert left == (0,), "an event could not be handled"

    def deliver(self) -> int:
        """Send what is due; how many were taken."""
        with self.pool.connection() as connection:
            return deliverer((BASE,), Home(BASE).spoken, allow_private=self.allow_private)(connection)

    def due_now(self) -> None:
        """Let all pauses be over."""
        with self.pool.connection() as connection:
            connection.execute("UPDATE subscription SET due = now() WHERE due IS NOT NULL")

    def waiting(self) -> int:
        """How many deliveries are in line."""
        with self.pool.connection() as connection:
            row = connection.execute(WAITING).fetchone()
        assert row is not None
        count: int = row[0]
        return count

    def state(self, id_: str) -> tuple[str, str | None]:
        """Status and error of a Subscription."""
        (hit,) = self.page(f"Subscription?_id={id_}").entries
        resource = json.loads(bytes(hit.body))
        return resource["status"], resource.get("error")


def observation(id_: str, patient: str = "p1", status: str = "final") -> dict[str, Any]:
    """An observation of a patient."""
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": status,
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"},
    }


@pytest.fixture
def clinic(pool: Pool) -> Notified:
    """An empty store."""
    return Notified(pool)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of notifications."""
    with receiving() as running:
        yield running
