"""The page where people see which apps they have let in, and take that back."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from healix_fhir.kernel.database import transaction
from smart_auth.store import digest, find
from tests.integration.pages.test_authorize import browsing, sign_in_anew
from tests.support.apps import BACK, VERIFIER, allow, app, ask, send, told
from tests.support.gate import Pool
from tests.support.oauth import server
from tests.support.portal import csrf, sign_in

pytestmark = pytest.mark.usefixtures("people")


async def tokens(url: str, client_id: str, code: str) -> dict[str, Any]:
    """What the app exchanges its code for."""
    form = {"grant_type": "authorization_code", "client_id": client_id, "code": code}
    return await _post(url, form | {"redirect_uri": BACK, "code_verifier": VERIFIER})


async def refreshed(url: str, client_id: str, token: str) -> dict[str, Any]:
    """What the app gets for its refresh token."""
    return await _post(url, {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token})


async def _post(url: str, form: dict[str, str]) -> dict[str, Any]:
    async with server(url) as app_:
        answer: dict[str, Any] = (await app_.post("/oauth/token", data=form)).json()
        return answer


@pytest.mark.spec("SMART App Launch 2.2 conformance.html#response")
def test_seen_and_taken_back(database_url: str, pool: Pool) -> None:
    """A person sees in words what an app has, takes it back, and with that tokens, refreshing and consent are gone."""
    mine, other = app(pool), app(pool, "Other <app>")

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        assert "You have let no app in" in (await client.get("/account/apps")).text
        given = {
            id_: await tokens(database_url, id_, told(await allow(client, await ask(client, id_)))["code"])
            for id_ in (mine, other)
        }
        page = await client.get("/account/apps")
        for text in ("Growth chart", "Other &lt;app&gt;", "See: measurements and test results", "last got access"):
            assert text in page.text
        answer = await client.post("/account/apps", data={"client": mine, "csrf": csrf(page)})
        assert (answer.status_code, answer.headers["location"]) == (303, "/account/apps")
        page = await client.get("/account/apps")
        assert "Growth chart" not in page.text
        assert "Other" in page.text
        hashes = {digest(one["access_token"]): id_ for id_, one in given.items()}
        good = await asyncio.to_thread(transaction, pool, lambda: find(list(hashes)))
        assert {hashes[one] for one in good} == {other}
        assert "error" in await refreshed(database_url, mine, given[mine]["refresh_token"])
        assert "error" not in await refreshed(database_url, other, given[other]["refresh_token"])
        assert (await ask(client, mine)).status_code == 200
        assert (await ask(client, other)).status_code == 303

    browsing(database_url, use)
    with pool.connection() as connection:
        rows = connection.execute(
            "SELECT client, account FROM audit_event WHERE subtype = 'authorize' AND action = 'D'"
        )
        assert rows.fetchall() == [(mine, "ada")]


def test_only_ones_own(database_url: str, pool: Pool) -> None:
    """Another account sees nothing of it, and cannot take it back; nor can a form of another site."""
    mine = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        assert (await client.get("/account/apps")).headers["location"] == "/account/login"
        await sign_in(client, "ada")
        code = told(await allow(client, await ask(client, mine)))["code"]
        page = await client.get("/account/apps")
        assert "Growth chart" in page.text
        for value in ("", "0" * 64):
            assert (await client.post("/account/apps", data={"client": mine, "csrf": value})).status_code == 403
        await sign_in_anew(client, "eve")
        page = await client.get("/account/apps")
        assert "Growth chart" not in page.text
        for named in (mine, "nobody"):
            assert (await client.post("/account/apps", data={"client": named, "csrf": csrf(page)})).status_code == 303
        assert "access_token" in await tokens(database_url, mine, code)

    browsing(database_url, use)


def test_a_request_under_way_ends_too(database_url: str, pool: Pool) -> None:
    """A consent page that was open when access was taken back grants nothing any more."""
    mine = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        told(await allow(client, await ask(client, mine)))
        waiting = await ask(client, mine, prompt="consent")
        page = await client.get("/account/apps")
        await client.post("/account/apps", data={"client": mine, "csrf": csrf(page)})
        assert (await allow(client, waiting)).status_code == 400

    browsing(database_url, use)


def test_consent_without_tokens_is_shown(database_url: str, pool: Pool) -> None:
    """An app that may come in again without asking is on the page when all its tokens are gone."""
    mine = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        told(await allow(client, await ask(client, mine)))
        with pool.connection() as connection:
            connection.execute("DELETE FROM app_grant")
        assert "may get it again without asking" in (await client.get("/account/apps")).text

    browsing(database_url, use)


@pytest.mark.spec("SMART App Launch 2.2 app-launch.html#launch-app-ehr-launch")
def test_an_app_is_started_from_the_clinicians_page(database_url: str, pool: Pool) -> None:
    """A clinician opens an app with a patient in care; it is told the server and a launch that brings this patient."""
    mine = app(pool, launch_uri="https://app.test/launch?x=1")

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        home = await client.get("/account/")
        assert "Open in Growth chart" in home.text
        assert "form-action 'self' https://app.test" in home.headers["content-security-policy"]
        start = {"client": mine, "patient": "p1", "csrf": csrf(home)}
        for wrong in ({"patient": "p3"}, {"patient": "x y"}, {"client": "nobody"}, {"client": app(pool, "No launch")}):
            assert (await client.post("/account/launch", data=start | wrong)).status_code == 400
        assert (await client.post("/account/launch", data=start | {"csrf": "0"})).status_code == 403
        answer = await client.post("/account/launch", data=start)
        address = urlsplit(answer.headers["location"])
        query = parse_qs(address.query)
        assert (address.netloc, address.path, query["x"]) == ("app.test", "/launch", ["1"])
        assert query["iss"] == ["http://healix.test/fhir"]
        page = await ask(client, mine, scope="launch patient/Patient.rs", launch=query["launch"][0])
        assert "In the record of Ada Byron" in page.text
        assert "code" in told(
            await send(client, page, "authorize/decision", decision="allow", scope=["patient/Patient.rs"])
        )

    browsing(database_url, use)


def test_patients_start_nothing_there(database_url: str, pool: Pool) -> None:
    """The clinician's way to start an app is not a patient's."""
    mine = app(pool, launch_uri="https://app.test/launch")

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        home = await client.get("/account/")
        assert "Open in" not in home.text
        fields = {"client": mine, "patient": "p1", "csrf": csrf(home)}
        assert (await client.post("/account/launch", data=fields)).status_code == 400
        client.cookies.clear()
        assert (await client.post("/account/launch", data=fields)).headers["location"] == "/account/login"

    browsing(database_url, use)
