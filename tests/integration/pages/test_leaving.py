"""Signing out at the wish of an app, over the real pages and a real database."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from healix_fhir.kernel.database import Statement, Work, transaction
from smart_auth.oauth.grant import Grant, issue_code
from smart_auth.oauth.tokens import keep_access
from smart_auth.store import digest
from tests.integration.pages.test_authorize import browsing, id_token
from tests.integration.smart_auth.test_token_code import opens
from tests.support.apps import BACK, app
from tests.support.gate import Pool
from tests.support.portal import PASSWORD, csrf, sign_in

Use = Callable[[httpx.AsyncClient], Awaitable[None]]
BYE = "https://app.test/bye?x=1"
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')

pytestmark = pytest.mark.usefixtures("people")


def leaver(pool: Pool) -> str:
    """An app that has people back who signed out."""
    return app(pool, post_logout_redirect_uris=(BYE,))


def hidden(page: httpx.Response) -> dict[str, str]:
    """What the question carries."""
    return {name: html.unescape(value) for name, value in HIDDEN.findall(page.text)}


def given(pool: Pool, client_id: str, username: str, scope: str, session: bytes) -> str:
    """An access token of a grant that was made in a session."""
    grant = Grant(client_id, username, scope, BACK, "c" * 43, 1, session=session, patient="p1")

    def work() -> Work[None]:
        yield from issue_code(grant)
        made = yield Statement("SELECT id FROM app_grant ORDER BY created DESC LIMIT 1")
        yield from keep_access(scope, made[0][0], grant, scope)

    transaction(pool, work)
    return scope


async def in_(client: httpx.AsyncClient) -> bool:
    """Whether the browser is signed in."""
    return (await client.get("/account/")).status_code == 200


@pytest.mark.spec("OpenID Connect RP-Initiated Logout 1.0 2")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("by", ["client_id", "id_token_hint", "both"])
def test_a_person_goes_back_to_the_app(database_url: str, pool: Pool, method: str, by: str) -> None:
    """The person is asked, signs out, and is sent to the registered address with the app's state to the letter."""
    client_id = leaver(pool)
    names = {"client_id": client_id, "id_token_hint": id_token(pool, client_id, "ada")}
    asked = {"post_logout_redirect_uri": BYE, "state": "a&b=ö"} | {k: v for k, v in names.items() if by in (k, "both")}

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        if method == "GET":
            page = await client.get("/oauth/logout", params=asked)
        else:
            onward = await client.post("/oauth/logout", data=asked)
            assert (onward.status_code, onward.headers["location"].startswith("/oauth/logout?")) == (303, True)
            page = await client.get(onward.headers["location"])
        assert "Growth chart" in page.text
        assert "somebody else" not in page.text
        assert "form-action 'self' https://app.test;" in page.headers["content-security-policy"] + ";"
        assert await in_(client), "nobody is signed out by asking"
        done = await client.post("/account/logout", data=hidden(page))
        assert (done.status_code, done.headers["location"]) == (303, f"{BYE}&state=a%26b%3D%C3%B6")
        assert not await in_(client)
        again = await client.get("/oauth/logout", params=asked)
        assert again.headers["location"] == done.headers["location"]

    browsing(database_url, use)


def test_without_an_address_one_stays_here(database_url: str, pool: Pool) -> None:
    """An app that names no address, or nothing at all, ends in the sign-in page."""
    client_id = leaver(pool)

    async def use(client: httpx.AsyncClient) -> None:
        for asked in ({}, {"client_id": client_id}, {"id_token_hint": id_token(pool, client_id, "ada")}):
            await sign_in(client, "ada")
            page = await client.get("/oauth/logout", params=asked)
            done = await client.post("/account/logout", data=hidden(page))
            assert done.headers["location"] == "/account/login"
            assert not await in_(client)

    browsing(database_url, use)


@pytest.mark.spec("OpenID Connect RP-Initiated Logout 1.0 3")
@pytest.mark.parametrize(
    "address",
    [
        "https://evil.test/", "https://app.test/back", "https://app.test/bye", f"{BYE}&y=2", f"{BYE}#",
        "https://app.test/bye/?x=1", "https://APP.test/bye?x=1", "https://app.test:443/bye?x=1",
        "https://app.test@evil.test/bye?x=1", "//app.test/bye?x=1", "javascript:alert(1)", "https://other.test/bye",
    ],
)  # fmt: skip
def test_no_open_redirect(database_url: str, pool: Pool, address: str) -> None:
    """Nobody is sent to an address that this very app did not register for this, signed in or not, by any form."""
    client_id = leaver(pool)
    app(pool, "Other", post_logout_redirect_uris=("https://other.test/bye",))

    async def use(client: httpx.AsyncClient) -> None:
        asked = {"client_id": client_id, "post_logout_redirect_uri": address}
        for signed_in in (False, True):
            if signed_in:
                await sign_in(client, "ada")
            answers = [
                await client.get("/oauth/logout", params=asked),
                await client.post("/oauth/logout", data=asked),
                await client.post("/account/logout", data=asked | ({"csrf": await _csrf(client)} if signed_in else {})),
            ]
            assert [answer.status_code for answer in answers] == [400] * 3
            assert not [answer for answer in answers if "location" in answer.headers]
        assert await in_(client)

    browsing(database_url, use)


async def _csrf(client: httpx.AsyncClient) -> str:
    return csrf(await client.get("/account/"))


@pytest.mark.parametrize("wrong", ["no app", "other's token", "forged", "other issuer", "closed app", "twice"])
def test_who_asks_must_be_known(database_url: str, pool: Pool, wrong: str) -> None:
    """Without an app, with another's id token or none of this server's, nothing is asked and nobody redirected."""
    client_id, other = leaver(pool), app(pool, "Other")
    good = id_token(pool, client_id, "ada")
    wrongs: dict[str, dict[str, Any]] = {
        "no app": {},
        "other's token": {"client_id": client_id, "id_token_hint": id_token(pool, other, "ada")},
        "forged": {"id_token_hint": f"{good[:-6]}AAAAAA"},
        "other issuer": {"id_token_hint": id_token(pool, client_id, "ada", "https://evil.test")},
        "closed app": {"client_id": client_id},
        "twice": {"client_id": [client_id, client_id]},
    }
    asked = {"post_logout_redirect_uri": BYE} | wrongs[wrong]
    if wrong == "closed app":
        with pool.connection() as connection:
            connection.execute("UPDATE client SET disabled = true")

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        answer = await client.get("/oauth/logout", params=asked)
        assert (answer.status_code, "location" in answer.headers) == (400, False)
        assert await in_(client)

    browsing(database_url, use)


def test_only_the_own_form_signs_out(database_url: str, pool: Pool) -> None:
    """A form of another site signs nobody out, and one is told when the app means somebody else."""
    client_id = leaver(pool)
    hint = id_token(pool, client_id, "eve")

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await client.get("/oauth/logout", params={"id_token_hint": hint, "post_logout_redirect_uri": BYE})
        assert "somebody else" in page.text
        assert "eve" not in page.text
        for forged in ("", "0" * 64):
            fields = hidden(page) | {"csrf": forged}
            assert (await client.post("/account/logout", data=fields)).status_code >= 400
        assert await in_(client)
        kept = dict(client.cookies)
        client.cookies.clear()  # as browsers send what another site posts: SameSite=Lax
        answer = await client.post("/account/logout", data={"csrf": "0" * 64})
        assert "set-cookie" not in answer.headers, "the answer would take the cookie away that was not sent"
        client.cookies.update(kept)
        assert await in_(client)

    browsing(database_url, use)


@pytest.mark.parametrize("way", ["sign out", "somebody else signs in"])
def test_what_apps_have_for_the_session_ends_with_it(database_url: str, pool: Pool, way: str) -> None:
    """Tokens for as long as a person is signed in open nothing afterwards; those with offline_access live on."""
    client_id = app(pool)
    found: dict[str, str] = {}

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        session = digest(client.cookies["healix"])
        for words in ("online_access", "offline_access", "launch/patient"):
            found[words] = given(pool, client_id, "ada", f"patient/*.rs {words}", session)
        assert all(opens(pool, one) for one in found.values())
        if way == "sign out":
            page = await client.get("/account/logout")
            await client.post("/account/logout", data=hidden(page))
        else:  # the way that shows the form also to who is signed in
            form = {"csrf": csrf(await client.get("/account/login?after=security"))}
            await client.post("/account/login", data=form | {"username": "eve", "password": PASSWORD})

    browsing(database_url, use)
    assert [words for words, one in found.items() if opens(pool, one)] == ["offline_access"]
