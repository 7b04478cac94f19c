"""The page on which people read who had to do with their record."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work, one, transaction
from healix_fhir.pages.account import looked
from healix_fhir.pages.words import kind
from tests.integration.pages.test_authorize import browsing
from tests.support.apps import app
from tests.support.gate import Pool
from tests.support.portal import account, sign_in
from tests.support.search import Clinic

Use = Callable[[httpx.AsyncClient], Awaitable[None]]
ADDRESS = "/account/looked"
TAGS = re.compile(r"<[^>]+>")

pytestmark = pytest.mark.usefixtures("people")


def trail(pool: Pool, *rows: AuditRow) -> None:
    """Rows of the trail, each in a transaction of its own."""
    for row in rows:
        transaction(pool, partial(one, record([row])))


def text(page: httpx.Response) -> str:
    """What a page says."""
    assert page.status_code == 200, page.text
    return " ".join(html.unescape(TAGS.sub(" ", page.text.partition("<main")[2])).split())


@pytest.mark.spec("IHE BALP 1.1.3")
def test_who_did_what_in_words(database_url: str, pool: Pool, people: Clinic) -> None:
    """Names of people and apps, what they did, how often, and whether they were refused or it was an emergency."""
    people.put({"resourceType": "Practitioner", "id": "d", "name": [{"text": "Dr. Rosa<i> Vela"}]})
    client = app(pool, "Growth chart")
    doctor, portal = Origin(client, "dr"), Origin("healix-portal", "ada")
    trail(
        pool,
        AuditRow(doctor, "E", "search-type", patient="p1", entity="Observation", query="patient=p1,p2"),
        AuditRow(doctor, "E", "search-type", patient="p1", entity="Observation"),
        AuditRow(doctor, "R", "read", 4, patient="p1", entity="Condition/c1"),
        AuditRow(Origin("CT1"), "C", "C-STORE", patient="p1", entity="1.2.3"),
        AuditRow(portal, "R", "retrieve-frames", patient="p1", entity="1.2.3"),
        AuditRow(doctor, "E", "$break-glass", patient="p1", entity="Patient/p1", query="unconscious"),
        AuditRow(Origin(client, "dr"), "R", "read", patient="p3", entity="Immunization/hidden"),
        AuditRow(Origin(), "E", "login", 4, query="CANARY"),
    )

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await client.get(ADDRESS)
        assert "<i>" not in page.text.partition("<main")[2]
        said = text(page)
        for told in (
            f"Dr. Rosa<i> Vela looked through {kind('Observation')} with Growth chart 2 times, the last at",
            "Dr. Rosa<i> Vela Refused: looked at conditions and diagnoses with Growth chart at",
            "CT1 added images at",
            "You looked at images with these pages at",
            "opened the record in an emergency",
        ):
            assert told in said
        for hidden in ("vaccinations", "p2", "unconscious", "CANARY", "1.2.3"):
            assert hidden not in said

    browsing(database_url, use)


def test_only_for_whose_record_it_is(database_url: str, pool: Pool) -> None:
    """Strangers come to the sign-in; staff are refused; others see their own record's list."""
    trail(pool, AuditRow(Origin("CT1"), "R", "read", patient="p1", entity="Condition/c1"))

    async def use(client: httpx.AsyncClient) -> None:
        assert (await client.get(ADDRESS)).headers["location"] == "/account/login"
        for who in ("dr", "root"):
            await sign_in(client, who)
            assert (await client.get(ADDRESS)).status_code == 403
            assert ADDRESS not in (await client.get("/account/")).text
            client.cookies.clear()
        await sign_in(client, "eve")
        assert ADDRESS in (await client.get("/account/")).text
        assert "CT1" not in text(await client.get(ADDRESS))

    browsing(database_url, use)


def test_who_acts_for_a_patient_reads_the_list(database_url: str, pool: Pool, people: Clinic) -> None:
    """A parent sees who looked at the child's record, while acting for the child."""
    people.put({"resourceType": "RelatedPerson", "id": "r", "patient": {"reference": "Patient/p1"}})
    account(pool, "mum", "patient", "RelatedPerson/r")
    trail(pool, AuditRow(Origin("CT1"), "R", "read", patient="p1", entity="Condition/c1"))

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "mum")
        assert "CT1 looked at conditions" in text(await client.get(ADDRESS))

    browsing(database_url, use)


@pytest.mark.parametrize("most", [2, 3, 4])
def test_older_entries_are_a_page_further(
    database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Pages follow one another and leave nothing out, also of one moment; what is no time is refused."""
    monkeypatch.setattr(looked, "MOST", most)
    trail(pool, *(AuditRow(Origin(f"AE{n}"), "R", "read", patient="p1", entity="Goal/g") for n in range(11)))

    def together() -> Work[None]:  # at one moment
        yield record([AuditRow(Origin(f"AT{n}"), "R", "read", patient="p1", entity="Goal/g") for n in range(5)])
        yield Statement("SELECT 1")

    transaction(pool, together)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        address, said = ADDRESS, ""
        for _ in range(12):
            page = await client.get(address)
            said += text(page)
            onward = re.search(r'href="([^"]+)" rel="next"', page.text)
            if onward is None:
                break
            address = html.unescape(onward[1])
            assert parse_qs(urlsplit(address).query).keys() == {"before", "had"}
        for name in (*(f"AE{n}" for n in range(11)), *(f"AT{n}" for n in range(5))):
            assert said.count(f"{name} looked at goals") == 1, name
        for odd in ("before=yesterday", "before=2000-01-01&had=-1", "before=2000-01-01&had=9999999999"):
            assert (await client.get(f"{ADDRESS}?{odd}")).status_code == 400
        assert "There is nothing older" in text(await client.get(f"{ADDRESS}?before=2000-01-01"))

    browsing(database_url, use)
