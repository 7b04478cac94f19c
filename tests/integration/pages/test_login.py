"""Signing in and out over the real pages and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http.cookies import SimpleCookie

import httpx
import pytest

from healix_fhir.kernel.database import transaction
from smart_auth.oauth import throttle
from smart_auth.store import disable_user
from tests.support.gate import Pool
from tests.support.portal import PASSWORD, account, browser, csrf, sign_in

Use = Callable[[httpx.AsyncClient], Awaitable[None]]


def browsing(url: str, use: Use, *, secure: bool = False) -> None:
    """Run `use` with a browser."""

    async def main() -> None:
        async with browser(url, secure=secure) as client:
            await use(client)

    asyncio.run(main())


def test_in_and_out(database_url: str, pool: Pool) -> None:
    """The right password opens the home page until one signs out; the cookie is worthless afterwards."""
    account(pool, "root", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        assert (await client.get("/account/")).headers["location"] == "/account/login"
        answer = await sign_in(client, " Root ")
        assert (answer.status_code, answer.headers["location"]) == (303, "/account/")
        home = await client.get("/account/")
        assert home.status_code == 200
        assert (await client.get("/account/login")).status_code == 303
        cookie = client.cookies["healix"]
        assert (await client.post("/account/logout", data={"csrf": csrf(home)})).status_code == 303
        client.cookies.set("healix", cookie, domain="healix.test")
        assert (await client.get("/account/")).headers["location"] == "/account/login"

    browsing(database_url, use)
    with pool.connection() as connection:
        rows = connection.execute(
            "SELECT subtype, account, client, address FROM audit_event WHERE subtype ~ '^log(in|out)$' ORDER BY seq"
        ).fetchall()
    assert rows == [(what, "root", "healix-portal", "192.0.2.9") for what in ("login", "logout")]


def test_refusals_are_alike(database_url: str, pool: Pool) -> None:
    """A wrong password, an unknown name and a closed account get the same page, and each is audited."""
    for name in ("ada", "bob"):
        account(pool, name, "admin")
    transaction(pool, lambda: disable_user("bob"))

    async def use(client: httpx.AsyncClient) -> None:
        answers = {
            (answer.status_code, answer.text.replace(name, ""))
            for name, password in (("ada", "wrong password"), ("nobody", PASSWORD), ("bob", PASSWORD), ("x' OR 1", "y"))
            for answer in [await sign_in(client, name, password)]
        }
        answers = {(status, text.replace("x&#39; OR 1", "")) for status, text in answers}
        assert len(answers) == 1
        assert answers.pop()[0] == 401
        assert "healix" not in client.cookies

    browsing(database_url, use)
    with pool.connection() as connection:
        refused = connection.execute("SELECT account FROM audit_event WHERE subtype = 'login' AND outcome = 4")
        assert [row[0] for row in refused.fetchall()] == ["ada", "nobody", "bob", "x' or 1"]


@pytest.mark.spec("draft-ietf-httpapi-ratelimit-headers-11 4")
def test_guessing_is_limited(database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """After five wrong guesses even the right password waits, and is told how long; other accounts do not."""
    monkeypatch.setattr(throttle, "REMEMBERED", 0.0)
    account(pool, "ada", "admin")
    account(pool, "bob", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        guesses = [await sign_in(client, "ada", f"wrong {n}") for n in range(6)]
        assert [guess.status_code for guess in guesses] == [401] * 5 + [429]
        assert 0 < int(guesses[-1].headers["retry-after"]) <= 30
        assert guesses[-1].headers["ratelimit-policy"] == '"login";q=5;w=900'
        assert guesses[-1].headers["ratelimit"] == f'"login";r=0;t={guesses[-1].headers["retry-after"]}'
        assert "Sign in" in guesses[-1].text
        assert (await sign_in(client, "ada")).status_code == 429
        assert (await sign_in(client, "bob")).status_code == 303
        with pool.connection() as connection:
            connection.execute("UPDATE throttle SET until = until - interval '16 minutes'")
        await client.post("/account/logout", data={"csrf": csrf(await client.get("/account/"))})
        assert (await sign_in(client, "ada")).status_code == 303

    browsing(database_url, use)


def test_guesses_at_once_are_counted(database_url: str, pool: Pool) -> None:
    """Guesses made at the same time cannot pass the limit together."""
    account(pool, "ada", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        page = await client.get("/account/login")
        fields = {"username": "ada", "password": "wrong", "csrf": csrf(page)}
        answers = await asyncio.gather(*(client.post("/account/login", data=fields) for _ in range(12)))
        assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7

    browsing(database_url, use)


def test_success_forgets_failures(database_url: str, pool: Pool) -> None:
    """Who remembers the password in time begins anew."""
    account(pool, "ada", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        for _ in range(3):
            for n in range(4):
                assert (await sign_in(client, "ada", f"wrong {n}")).status_code == 401
            assert (await sign_in(client, "ada")).status_code == 303
            client.cookies.clear()

    browsing(database_url, use)


@pytest.mark.parametrize("secure", [True, False])
def test_cookies(database_url: str, pool: Pool, secure: bool) -> None:
    """The session cookie is out of reach of scripts and other sites, and over TLS bound to host and TLS."""
    account(pool, "ada", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        answer = await sign_in(client, "ada")
        cookies: SimpleCookie = SimpleCookie()
        for line in answer.headers.get_list("set-cookie"):
            cookies.load(line)
        cookie = cookies["__Host-healix" if secure else "healix"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "lax"
        assert bool(cookie["secure"]) is secure
        assert cookie["path"] == "/"
        assert not cookie["domain"]

    browsing(database_url, use, secure=secure)


def test_only_own_forms_count(database_url: str, pool: Pool) -> None:
    """A form without the hidden value, with another browser's, or sent by another site does nothing."""
    account(pool, "ada", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        good = {"username": "ada", "password": PASSWORD}
        for csrf_value in ("", "0" * 64):
            await client.get("/account/login")
            assert (await client.post("/account/login", data={**good, "csrf": csrf_value})).status_code == 403
        page = await client.get("/account/login")
        fields = {**good, "csrf": csrf(page)}
        foreign = await client.post("/account/login", data=fields, headers={"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
        client.cookies.clear()
        assert (await client.post("/account/login", data=fields)).status_code == 403
        await sign_in(client, "ada")
        assert (await client.post("/account/logout", data={"csrf": "0" * 64})).status_code == 403
        assert (await client.get("/account/")).status_code == 200

    browsing(database_url, use)


def test_pages_keep_to_themselves(database_url: str) -> None:
    """No script may run, no site may frame a page, nothing is cached, and no page holds a script."""

    async def use(client: httpx.AsyncClient) -> None:
        page = await client.get("/account/login")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script" not in policy
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert "<script" not in page.text
        assert "style=" not in page.text
        assert (await client.get("/account/assets/healix.css")).headers["content-type"].startswith("text/css")

    browsing(database_url, use)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"x" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"username=%ff", "application/x-www-form-urlencoded", 400),
        ("ü=1".encode(), "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a=1" for _ in range(60)), "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 400),
    ],
)
def test_hostile_forms(database_url: str, content: bytes, kind: str, status: int) -> None:
    """Forms that are too large, malformed or no forms are refused with a page."""

    async def use(client: httpx.AsyncClient) -> None:
        answer = await client.post("/account/login", content=content, headers={"Content-Type": kind})
        assert answer.status_code == status
        assert "<h1>" in answer.text

    browsing(database_url, use)


def test_sessions_end(database_url: str, pool: Pool) -> None:
    """A session ends after an idle hour, after twelve hours, and when its account is closed."""
    account(pool, "ada", "admin")
    ends = (
        "UPDATE session SET used = now() - interval '61 minutes'",
        "UPDATE session SET created = now() - interval '13 hours'",
        "UPDATE account SET disabled = true",
    )

    async def use(client: httpx.AsyncClient) -> None:
        for end in ends:
            await sign_in(client, "ada")
            assert (await client.get("/account/")).status_code == 200
            with pool.connection() as connection:
                connection.execute(end)
            assert (await client.get("/account/")).status_code == 303

    browsing(database_url, use)
