"""The page on which people pair the devices that send readings to a record."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.integration.pages.test_authorize import browsing
from tests.support.fhir_server import rows
from tests.support.gate import Pool
from tests.support.portal import csrf, sign_in
from tests.support.search import Clinic

ADDRESS = "/account/devices"
CODE = re.compile(r'"invitation">([0-9A-Z]{4}-[0-9A-Z]{4})<')


def test_a_patient_adds_and_removes_a_device(database_url: str, pool: Pool, people: Clinic) -> None:
    """A name gets a code; the list says what the device measured last; access is taken back on the page."""

    async def use(client: httpx.AsyncClient) -> None:
        assert (await client.get(ADDRESS)).status_code == 303
        await sign_in(client, "ada")
        page = await client.get(ADDRESS)
        assert "no device yet" in page.text
        fields = {"csrf": csrf(page), "patient": "p1"}
        made = await client.post(ADDRESS, data=fields | {"name": " My  watch "})
        assert CODE.search(made.text) is not None
        (found,) = rows(pool, "SELECT id FROM resource WHERE position('My watch'::bytea IN body) > 0")
        people.put(
            {
                "resourceType": "Observation",
                "id": "reading",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
                "subject": {"reference": "Patient/p1"},
                "device": {"reference": f"Device/{found[0]}"},
                "effectiveDateTime": "2026-01-02T03:04:05Z",
                "valueQuantity": {"value": 61, "system": "http://unitsofmeasure.org", "code": "/min"},
            }
        )
        page = await client.get(ADDRESS)
        assert "My watch" in page.text
        assert "Heart rate 61 /min" in page.text
        assert (await client.post(ADDRESS, data=fields | {"unpair": found[0]})).status_code == 303
        assert "not in use" in (await client.get(ADDRESS)).text
        assert (await client.post(ADDRESS, data=fields | {"name": ""})).status_code == 400
        assert (await client.post(ADDRESS, data={"patient": "p1", "name": "x"})).status_code == 403

    browsing(database_url, use)


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("who", "patient", "status"),
    [
        ("ada", "p2", 404),
        ("ada", "none", 404),
        ("dr", "p1", 200),
        ("dr", "p3", 404),
        ("dr", "", 404),
        ("root", "p1", 404),
    ],
)
def test_devices_of_others_are_not_there(database_url: str, who: str, patient: str, status: int) -> None:
    """The page shows the records that one sees, and answers others like none at all."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, who)
        page = await client.get(ADDRESS, params={"patient": patient})
        assert page.status_code == status
        token = csrf(await client.get("/account/"))
        sent = await client.post(ADDRESS, data={"csrf": token, "patient": patient, "name": "x"})
        assert sent.status_code == status

    browsing(database_url, use)
