"""Emergency access by the pages: found by what identifies, opened with a reason, seen by administrators."""

from __future__ import annotations

import httpx
import pytest

from tests.integration.pages.test_authorize import browsing
from tests.support.fhir_server import rows
from tests.support.gate import Pool
from tests.support.portal import csrf, sign_in
from tests.support.search import Clinic

ADDRESS = "/account/emergency"
EVE = {
    "resourceType": "Patient",
    "id": "p3",
    "name": [{"family": "Stone", "given": ["Eve"]}],
    "birthDate": "1970-12-31",
    "identifier": [{"system": "urn:mrn", "value": "4711"}],
    "address": [{"city": "Canary-Wharf"}],
}


@pytest.fixture(autouse=True)
def eve(people: Clinic) -> None:
    """The patient whom nobody cares for, with what identifies her."""
    people.put(EVE)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("identifier=4711", True),
        ("identifier=471", False),
        ("name=Sto&birthdate=1970-12-31", True),
        ("name=Sto&birthdate=1970-12-30", False),
        ("name=Sto&birthdate=1970", False),
        ("name=Sto", False),
        ("name=S&birthdate=1970-12-31", False),
        ("birthdate=1970-12-31", False),
        ("", False),
    ],
)
def test_a_patient_is_found_by_what_identifies(database_url: str, pool: Pool, query: str, found: bool) -> None:
    """Name, date of birth and number are shown for an exact question only, and the showing is on record."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        page = await client.get(f"{ADDRESS}?{query}")
        assert ("Eve Stone" in page.text) is found
        assert "Canary" not in page.text

    browsing(database_url, use)
    told = rows(pool, "SELECT patient FROM audit_event WHERE account = 'dr' AND subtype = 'search-type'")
    assert (("p3",) in told) is found


def test_a_record_is_opened_and_ended(database_url: str, pool: Pool) -> None:
    """Opened with a reason, the patient is on the clinician's page with the end of the access, which can be now."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        assert "Eve Stone" not in (await client.get("/account/")).text
        form = await client.get(f"{ADDRESS}?identifier=4711")
        fields = {"csrf": csrf(form), "patient": "p3", "identifier": "4711"}
        again = await client.post(ADDRESS, data=fields | {"reason": "   "})
        assert (again.status_code, "Say why" in again.text, "Eve Stone" in again.text) == (400, True, True)
        assert (await client.post(ADDRESS, data=fields | {"reason": "unconscious", "csrf": "0"})).status_code == 403
        assert rows(pool, "SELECT 1 FROM break_glass") == []
        assert (await client.post(ADDRESS, data=fields | {"reason": "unconscious"})).status_code == 303
        home = await client.get("/account/")
        assert "Eve Stone" in home.text
        assert "Emergency access until" in home.text
        assert (await client.post(f"{ADDRESS}/end", data={"csrf": csrf(home), "patient": "p3"})).status_code == 303
        assert "Eve Stone" not in (await client.get("/account/")).text

    browsing(database_url, use)


@pytest.mark.parametrize(("username", "status"), [("ada", 403), ("root", 403)])
def test_it_is_for_clinicians(database_url: str, pool: Pool, username: str, status: int) -> None:
    """Patients and administrators neither look for people nor open records; nor does anybody who is not signed in."""

    async def use(client: httpx.AsyncClient) -> None:
        assert (await client.get(ADDRESS)).headers["location"] == "/account/login"
        await sign_in(client, username)
        home = await client.get("/account/")
        assert (await client.get(f"{ADDRESS}?identifier=4711")).status_code == status
        fields = {"csrf": csrf(home), "patient": "p3", "reason": "curious"}
        assert (await client.post(ADDRESS, data=fields)).status_code == status

    browsing(database_url, use)
    assert rows(pool, "SELECT 1 FROM break_glass") == []


def test_administrators_see_and_end_it(database_url: str, pool: Pool) -> None:
    """The administrator's page lists openings with their reason and ends one; a patient ends none."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        form = await client.get(f"{ADDRESS}?identifier=4711")
        fields = {"csrf": csrf(form), "patient": "p3", "reason": "found <b>unconscious"}
        await client.post(ADDRESS, data=fields)
        ((opening,),) = rows(pool, "SELECT id FROM break_glass")
        client.cookies.clear()
        await sign_in(client, "ada")
        fields = {"csrf": csrf(await client.get("/account/")), "opening": opening, "patient": "p3"}
        assert (await client.post(f"{ADDRESS}/end", data=fields)).status_code == 403
        client.cookies.clear()
        await sign_in(client, "root")
        page = await client.get("/account/")
        assert "dr opened Patient/p3" in page.text
        assert "“found &lt;b&gt;unconscious" in page.text
        fields = {"csrf": csrf(page), "opening": opening}
        assert (await client.post(f"{ADDRESS}/end", data=fields)).status_code == 303
        assert "End now" not in (await client.get("/account/")).text

    browsing(database_url, use)
    assert rows(pool, "SELECT 1 FROM care_relationship WHERE emergency") == []
