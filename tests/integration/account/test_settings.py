"""Changing password and mail address by somebody who is signed in, and signing out elsewhere."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from healix_fhir.kernel.database import transaction
from smart_auth.store import digest, find
from tests.integration.account.test_registration import confirm, worked
from tests.integration.account.test_reset import FRESH, link
from tests.integration.pages.test_apps import refreshed, tokens
from tests.integration.pages.test_authorize import browsing
from tests.support.apps import allow, app, ask, told
from tests.support.gate import Pool
from tests.support.mailbox import Mailbox
from tests.support.portal import PASSWORD, account, browser, csrf, sign_in

ONLINE = "openid fhirUser online_access launch/patient patient/Patient.rs"


@pytest.fixture(autouse=True)
def ada(pool: Pool, records: object) -> None:
    """Ada has an account with a mail address."""
    account(pool, "ada", "patient", "Patient/ada")
    with pool.connection() as connection:
        connection.execute("UPDATE account SET mail = 'ada@example.org'")


async def send(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Send a form of the settings page."""
    page = await client.get("/account/settings")
    return await client.post(path, data={"csrf": csrf(page)} | fields)


@pytest.mark.spec("OWASP ASVS 5.0 6.2.3")
@pytest.mark.spec("OWASP ASVS 5.0 7.2.4")
def test_change_of_password(database_url: str, mailbox: Mailbox) -> None:
    """Who knows the old password sets a new one; this browser goes on under a new secret, all others are out."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        before = client.cookies["healix"]
        async with browser(database_url) as elsewhere:
            await sign_in(elsewhere, "ada")
            answer = await send(client, "/account/password", current=PASSWORD, password=FRESH)
            assert answer.headers["location"] == "/account/settings?done=password"
            assert "is changed" in (await client.get(answer.headers["location"])).text
            assert client.cookies["healix"] != before
            assert (await elsewhere.get("/account/")).status_code == 303
            elsewhere.cookies.set("healix", before)
            assert (await elsewhere.get("/account/")).status_code == 303
        (notice,) = await worked(mailbox)
        assert (notice.to, notice.subject) == ("ada@example.org", "Your password was changed")
        client.cookies.clear()
        assert (await sign_in(client, "ada", PASSWORD)).status_code == 401
        assert (await sign_in(client, "ada", FRESH)).status_code == 303

    browsing(database_url, use)


@pytest.mark.spec("OWASP ASVS 5.0 7.4.3")
@pytest.mark.parametrize("ended", [True, False])
def test_apps_at_a_change_of_password(database_url: str, pool: Pool, ended: bool) -> None:
    """A person chooses whether apps lose their access with the old password."""
    mine = app(pool, scope=ONLINE)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        code = told(await allow(client, await ask(client, mine, scope=ONLINE)))["code"]
        given = await tokens(database_url, mine, code)
        await send(client, "/account/password", current=PASSWORD, password=FRESH, **({"apps": "on"} if ended else {}))
        hashes = [digest(given["access_token"])]
        assert bool(await asyncio.to_thread(transaction, pool, lambda: find(hashes))) is not ended
        assert ("error" in await refreshed(database_url, mine, given["refresh_token"])) is ended

    browsing(database_url, use)


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"current": "wrong password", "password": FRESH}, 401, "current password is not right"),
        ({"current": "", "password": FRESH}, 401, "current password is not right"),
        ({"current": PASSWORD, "password": "short"}, 400, "8 to 256"),
        ({"current": PASSWORD, "password": "ada@example1"}, 400, "first that are guessed"),
        ({"current": PASSWORD, "password": FRESH, "csrf": "0" * 64}, 403, "out of date"),
    ],
)
def test_refused_changes(database_url: str, mailbox: Mailbox, fields: dict[str, str], status: int, told: str) -> None:
    """Without the old password, or with a bad new one, nothing changes."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        answer = await send(client, "/account/password", **fields)
        assert answer.status_code == status
        assert told in answer.text
        assert await worked(mailbox) == []
        client.cookies.clear()
        assert (await sign_in(client, "ada")).status_code == 303

    browsing(database_url, use)


def test_the_old_password_cannot_be_guessed(database_url: str) -> None:
    """Whoever sits at a signed-in browser has as few tries as at the login."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        for path in ("/account/password", "/account/mail"):
            fields = {"email": "eve@example.org", "password": FRESH}
            for number in range(6):
                answer = await send(client, path, current=f"wrong {number}", **fields)
        assert answer.status_code == 429
        assert (await send(client, "/account/password", current=PASSWORD, password=FRESH)).status_code == 429

    browsing(database_url, use)


@pytest.mark.spec("OWASP ASVS 5.0 6.3.7")
def test_change_of_mail_address(database_url: str, pool: Pool, mailbox: Mailbox) -> None:
    """A new address counts when its mail was answered, and the old one is told."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        assert "ada@example.org" in (await client.get("/account/settings")).text
        early = await link(client, mailbox)
        answer = await send(client, "/account/mail", current=PASSWORD, email=" Countess@Example.ORG")
        assert answer.headers["location"] == "/account/settings?done=mail"
        (mail,) = await worked(mailbox)
        assert (mail.to, mail.subject) == ("countess@example.org", "Confirm your mail address")
        assert "ada@example.org" in (await client.get("/account/settings")).text
        assert (await confirm(client, mail)).status_code == 200
        (notice,) = await worked(mailbox)
        assert (notice.to, notice.subject) == ("ada@example.org", "Your mail address was changed")
        assert "countess@example.org" in (await client.get("/account/settings")).text
        assert (await confirm(client, mail)).status_code == 409
        assert (await client.get(early)).status_code == 409

    browsing(database_url, use)
    with pool.connection() as connection:
        rows = connection.execute(
            "SELECT action FROM audit_event WHERE subtype = 'mail-address' ORDER BY seq"
        ).fetchall()
        assert rows == [("E",), ("U",)]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"current": "wrong password", "email": "eve@example.org"}, 401),
        ({"current": PASSWORD, "email": "eve"}, 400),
        ({"current": PASSWORD, "email": "eve@example.org", "csrf": "0" * 64}, 403),
    ],
)
def test_refused_addresses(database_url: str, mailbox: Mailbox, fields: dict[str, str], status: int) -> None:
    """Without the password, or with what is no address, no mail is sent."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        assert (await send(client, "/account/mail", **fields)).status_code == status
        assert await worked(mailbox) == []

    browsing(database_url, use)


def test_a_change_of_password_ends_links(database_url: str, mailbox: Mailbox) -> None:
    """Links that somebody asked for before the password was changed are worthless afterwards."""

    async def use(client: httpx.AsyncClient) -> None:
        at = await link(client, mailbox)
        await sign_in(client, "ada")
        await send(client, "/account/mail", current=PASSWORD, email="eve@example.org")
        (mail,) = await worked(mailbox)
        await send(client, "/account/password", current=PASSWORD, password=FRESH)
        assert (await client.get(at)).status_code == 409
        assert (await confirm(client, mail)).status_code == 409

    browsing(database_url, use)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/account/settings"), ("POST", "/account/password"), ("POST", "/account/mail"),
        ("GET", "/account/sessions"), ("POST", "/account/sessions"), ("POST", "/account/invite"),
    ],
)  # fmt: skip
def test_only_for_who_is_signed_in(database_url: str, method: str, path: str) -> None:
    """Everybody else is sent to the login."""

    async def use(client: httpx.AsyncClient) -> None:
        answer = await client.request(method, path, data={"csrf": "x"} if method == "POST" else None)
        assert (answer.status_code, answer.headers["location"]) == (303, "/account/login")

    browsing(database_url, use)


@pytest.mark.parametrize("path", ["/account/register", "/account/reset", "/account/settings", "/account/sessions"])
def test_pages_keep_to_themselves(database_url: str, path: str) -> None:
    """No page is cached, framed, told to other sites, or holds a script or a style of its own."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await client.get(path)
        assert page.status_code == 200
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "<script" not in page.text
        assert "style=" not in page.text

    browsing(database_url, use)


def test_home_leads_there(database_url: str) -> None:
    """The home page has links to all of it, and the login page to registration and reset."""

    async def use(client: httpx.AsyncClient) -> None:
        login = (await client.get("/account/login")).text
        assert 'href="/account/register"' in login
        assert 'href="/account/reset"' in login
        await sign_in(client, "ada")
        home = (await client.get("/account/")).text
        for page in ("settings", "security", "sessions", "apps"):
            assert f'href="/account/{page}"' in home

    browsing(database_url, use)
