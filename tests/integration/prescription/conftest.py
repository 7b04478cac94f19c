"""A clinic that prescribes: a doctor with a patient in care, one who has none, and the patient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from healix_fhir.care.relationships import handle
from healix_fhir.kernel.consume import drain
from tests.support.gate import Pool, user
from tests.support.live_server import LiveServer, live_server

Json = dict[str, Any]
SYSTEM = "system/*.cruds"


@dataclass(frozen=True)
class Prescribing:
    """A running server, and who calls it."""

    server: LiveServer
    pool: Pool

    def system(self, scope: str = SYSTEM) -> httpx.Client:
        """A back end."""
        return self.server.client(scope)

    def doctor(self, scope: str = "user/*.cruds", name: str = "dr") -> httpx.Client:
        """An app of a practitioner."""
        return self.server.client(scope, username=name)

    def patient(self, scope: str = "patient/*.cruds") -> httpx.Client:
        """An app of the patient."""
        return self.server.client(scope, patient="p", username="ada")


@pytest.fixture
def clinic(database_url: str, pool: Pool, tmp_path: Path) -> Iterator[Prescribing]:
    """`dr` cares for `p`, whose account is `ada`; `other` cares for nobody."""
    with live_server(database_url, tmp_path) as running:
        user(pool, "dr", role="practitioner", fhir_user="Practitioner/d")
        user(pool, "other", role="practitioner", fhir_user="Practitioner/e")
        user(pool, "ada", role="patient", fhir_user="Patient/p")
        with running.client(SYSTEM) as client:
            for id_ in ("d", "e"):
                name = [{"family": f"Doctor {id_}"}]
                doctor = {"resourceType": "Practitioner", "id": id_, "name": name}
                assert client.put(f"/fhir/Practitioner/{id_}", json=doctor).is_success
            for id_ in ("p", "q"):
                person: Json = {"resourceType": "Patient", "id": id_, "name": [{"family": f"Person {id_}"}]}
                if id_ == "p":
                    person["generalPractitioner"] = [{"reference": "Practitioner/d"}]
                assert client.put(f"/fhir/Patient/{id_}", json=person).is_success
        relate(pool)
        yield Prescribing(running, pool)


def relate(pool: Pool) -> None:
    """Let those care for a Patient whom it names."""
    with pool.connection() as connection:
        while drain(connection, {"resource": [handle]}):
            pass
