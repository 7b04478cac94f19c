"""Where one is signed in, and signing out elsewhere."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.integration.account.test_settings import ONLINE
from tests.integration.pages.test_apps import refreshed, tokens
from tests.integration.pages.test_authorize import browsing
from tests.support.apps import allow, app, ask, told
from tests.support.gate import Pool
from tests.support.portal import account, browser, csrf, sign_in

MARK = re.compile(r'name="session" value="([0-9a-f]+)"')
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"


@pytest.fixture(autouse=True)
def people(pool: Pool, records: object) -> None:
    """Two patients with accounts."""
    account(pool, "ada", "patient", "Patient/ada")
    account(pool, "bob", "patient", "Patient/bob")


async def end(client: httpx.AsyncClient, **fields: str) -> httpx.Response:
    """Send the form of the list."""
    page = await client.get("/account/sessions")
    return await client.post("/account/sessions", data={"csrf": csrf(page)} | fields)


@pytest.mark.spec("OWASP ASVS 5.0 7.5.2")
def test_seen_and_ended(database_url: str, pool: Pool) -> None:
    """A person sees browser, address and time of each session, and ends one; it is over at once, and audited."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        async with browser(database_url, address="198.51.100.7") as elsewhere:
            elsewhere.headers["user-agent"] = FIREFOX
            await sign_in(elsewhere, "ada")
            await elsewhere.get("/account/")
            page = (await client.get("/account/sessions")).text
            for text in ("Firefox on Windows", "from 198.51.100.7", "(this browser)", "from 192.0.2.9"):
                assert text in page
            (mark,) = MARK.findall(page)
            answer = await end(client, session=mark)
            assert (answer.status_code, answer.headers["location"]) == (303, "/account/sessions")
            assert (await elsewhere.get("/account/")).status_code == 303
            assert (await client.get("/account/")).status_code == 200
            assert "Firefox" not in (await client.get("/account/sessions")).text

    browsing(database_url, use)
    with pool.connection() as connection:
        rows = connection.execute("SELECT action, account, address FROM audit_event WHERE subtype = 'session'")
        assert rows.fetchall() == [("D", "ada", "192.0.2.9")]


def test_all_others(database_url: str, pool: Pool) -> None:
    """All other sessions end together; those of other people go on."""

    async def use(client: httpx.AsyncClient) -> None:
        async with browser(database_url) as one, browser(database_url) as two, browser(database_url) as bob:
            for each, name in ((client, "ada"), (one, "ada"), (two, "ada"), (bob, "bob")):
                await sign_in(each, name)
            await end(client, others="yes")
            statuses = [(await each.get("/account/")).status_code for each in (client, one, two, bob)]
            assert statuses == [200, 303, 303, 200]

    browsing(database_url, use)


def test_only_ones_own(database_url: str, pool: Pool) -> None:
    """Nobody sees or ends another's session, whatever the form says."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "bob")
        with pool.connection() as connection:
            (mark,) = connection.execute("SELECT left(encode(hash, 'hex'), 16) FROM session").fetchone() or ()
        async with browser(database_url) as ada:
            await sign_in(ada, "ada")
            assert mark not in (await ada.get("/account/sessions")).text
            for fields in ({"session": mark}, {"session": ""}, {"session": "%"}, {}):
                assert (await end(ada, **fields)).status_code == 303
            assert (await end(ada, others="yes", csrf="0" * 64)).status_code == 403
            assert (await ada.get("/account/")).status_code == 200
        assert (await client.get("/account/")).status_code == 200

    browsing(database_url, use)


def test_apps_of_that_session(database_url: str, pool: Pool) -> None:
    """What an app has for as long as a session lasts ends with the session that is signed out."""
    mine = app(pool, scope=ONLINE)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        code = told(await allow(client, await ask(client, mine, scope=ONLINE)))["code"]
        given = await tokens(database_url, mine, code)
        async with browser(database_url) as elsewhere:
            await sign_in(elsewhere, "ada")
            await end(elsewhere, others="yes")
        assert "error" in await refreshed(database_url, mine, given["refresh_token"])
        with pool.connection() as connection:
            assert connection.execute("SELECT bool_and(revoked) FROM access_token").fetchone() == (True,)

    browsing(database_url, use)


def test_what_is_over_is_not_listed(database_url: str, pool: Pool) -> None:
    """Sessions that ended by themselves are not in the list."""

    async def use(client: httpx.AsyncClient) -> None:
        async with browser(database_url) as idle, browser(database_url) as old:
            for each in (client, idle, old):
                await sign_in(each, "ada")
            with pool.connection() as connection:
                connection.execute(
                    """UPDATE session SET used = now() - interval '61 minutes'
                       WHERE hash = (SELECT hash FROM session ORDER BY created LIMIT 1 OFFSET 1)"""
                )
                connection.execute(
                    """UPDATE session SET created = now() - interval '13 hours'
                       WHERE hash = (SELECT hash FROM session ORDER BY created DESC LIMIT 1)"""
                )
            assert (await client.get("/account/sessions")).text.count('class="what"') == 1

    browsing(database_url, use)
