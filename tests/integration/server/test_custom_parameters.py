"""A custom search parameter on a whole server: every web worker knows it, and the job worker makes it searchable."""

from __future__ import annotations

import pytest

from tests.support.parameters import search_parameter
from tests.support.resources import patient
from tests.support.serve import Served, wait_until

RACE = "http://example.org/race"
ADDRESS = "/fhir/Patient?e2e-race=r1"
STRICT = {"Prefer": "handling=strict"}


@pytest.mark.spec("FHIR R4 searchparameter.html")
def test_it_is_indexed_by_itself(served: Served) -> None:
    """What was there before and what came while it was not searchable is found; when it is deleted, it is unknown."""
    token = served.token("system/*.cruds")
    parameter = search_parameter("e2e-race", "token", f"Patient.extension('{RACE}').value as Coding", "Patient")
    ids = [f"race-{n}" for n in range(8)]

    def status() -> int:
        with served.client(token) as fresh:  # another connection may be another worker's
            return fresh.get(ADDRESS, headers=STRICT).status_code

    with served.client(token) as client:
        for n, id_ in enumerate(ids):
            extension = [{"url": RACE, "valueCoding": {"system": "urn:r", "code": "r1"}}]
            client.put(f"/fhir/Patient/{id_}", json=patient(id=id_, extension=extension)).raise_for_status()
            if n == 3:
                client.put("/fhir/SearchParameter/e2e-race", json=parameter).raise_for_status()
        wait_until(lambda: status() == 200, "the parameter to be searchable")
        wait_until(lambda: {status() for _ in range(10)} == {200}, "all workers to know")
        found = client.get(ADDRESS, headers=STRICT).json()
        assert sorted(entry["resource"]["id"] for entry in found["entry"]) == ids
        client.delete("/fhir/SearchParameter/e2e-race").raise_for_status()
        wait_until(lambda: {status() for _ in range(10)} == {400}, "all workers to forget")
