"""What each role sees after signing in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from healix_fhir.care.relationships import handle
from healix_fhir.kernel.consume import drain
from tests.support.gate import Pool
from tests.support.portal import account, browser, sign_in
from tests.support.search import Clinic


def study(id_: str, patient: str, description: str) -> dict[str, Any]:
    """An imaging study with the UID 1.2.<id>."""
    return {
        "resourceType": "ImagingStudy",
        "id": id_,
        "status": "available",
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:1.2.{id_}"}],
        "subject": {"reference": f"Patient/{patient}"},
        "started": "2024-05-06T07:08:09Z",
        "description": description,
        "numberOfSeries": 1,
        "numberOfInstances": 1,
    }


@pytest.fixture
def clinic(pool: Pool) -> Clinic:
    """Two patients with a study each; the practitioner d cares for the first."""
    clinic = Clinic(pool)
    gp = [{"reference": "Practitioner/d"}]
    ada = {"family": "Byron<b>", "given": ["Ada"]}
    clinic.put(
        {"resourceType": "Patient", "id": "p1", "name": [ada], "birthDate": "1815-12-10", "generalPractitioner": gp},
        {"resourceType": "Patient", "id": "p2", "name": [{"family": "Babbage"}]},
        study("1", "p1", "Head of Ada"),
        study("2", "p2", "Head of Charles"),
    )
    account(pool, "dr", "practitioner", "Practitioner/d")
    account(pool, "ada", "patient", "Patient/p1")
    account(pool, "root", "admin", "Practitioner/d")
    with pool.connection() as connection:
        while drain(connection, {"resource": [handle]}):
            pass
    return clinic


def as_user(url: str, username: str, use: Callable[[httpx.AsyncClient, httpx.Response], Awaitable[None]]) -> None:
    """Sign in and run `use` with the browser and the home page."""

    async def main() -> None:
        async with browser(url) as client:
            await sign_in(client, username)
            home = await client.get("/account/")
            assert home.status_code == 200, home.text
            await use(client, home)

    asyncio.run(main())


@pytest.mark.usefixtures("clinic")
def test_practitioner(database_url: str) -> None:
    """A practitioner sees the patients in his care with their studies, by name, and nobody else."""

    async def use(client: httpx.AsyncClient, home: httpx.Response) -> None:
        assert "Ada Byron&lt;b&gt;" in home.text
        assert "Head of Ada" in home.text
        assert "Babbage" not in home.text
        assert "Charles" not in home.text
        assert "Ada" in (await client.get("/account/?name=byr")).text
        for name in ("babbage", "x,byron"):
            assert "Head of" not in (await client.get("/account/", params={"name": name})).text
        assert (await client.get("/account/?cursor=forged")).status_code == 400

    as_user(database_url, "dr", use)


@pytest.mark.usefixtures("clinic")
def test_patient(database_url: str) -> None:
    """A patient sees the own name and studies, and nobody else's."""

    async def use(_: httpx.AsyncClient, home: httpx.Response) -> None:
        assert "Ada Byron&lt;b&gt;" in home.text
        assert "Head of Ada" in home.text
        assert "Charles" not in home.text

    as_user(database_url, "ada", use)


@pytest.mark.usefixtures("clinic")
def test_administrator(database_url: str) -> None:
    """An administrator sees counts and no chart, even when the account is linked to a practitioner."""

    async def use(_: httpx.AsyncClient, home: httpx.Response) -> None:
        assert "<dd>3</dd>" in home.text
        assert "Ada" not in home.text

    as_user(database_url, "root", use)


@pytest.mark.usefixtures("clinic")
@pytest.mark.parametrize("username", ["dr", "ada"])
def test_a_study_leads_to_the_viewer(database_url: str, username: str) -> None:
    """A study's line has a link to its images, which holds no token."""

    async def use(_: httpx.AsyncClient, home: httpx.Response) -> None:
        assert 'href="/ohif/viewer?StudyInstanceUIDs=1.2.1"' in home.text
        assert "token" not in home.text

    as_user(database_url, username, use)


def test_many_patients_are_paged(database_url: str, pool: Pool) -> None:
    """All patients of a practitioner are reached page by page, each once."""
    clinic = Clinic(pool)
    gp = [{"reference": "Practitioner/d"}]
    clinic.put(
        *(
            {"resourceType": "Patient", "id": f"p{n}", "name": [{"family": f"Number{n:03}"}], "generalPractitioner": gp}
            for n in range(60)
        )
    )
    account(pool, "dr", "practitioner", "Practitioner/d")
    with pool.connection() as connection:
        while drain(connection, {"resource": [handle]}):
            pass

    async def use(client: httpx.AsyncClient, home: httpx.Response) -> None:
        seen: list[str] = []
        page = home
        while True:
            seen += [word[:3] for word in page.text.split("Number")[1:]]
            if 'rel="next"' not in page.text:
                break
            address = page.text.split('" rel="next"')[0].rsplit('href="', 1)[1].replace("&amp;", "&")
            page = await client.get(address)
        assert sorted(seen) == [f"{n:03}" for n in range(60)]

    as_user(database_url, "dr", use)
