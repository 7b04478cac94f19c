"""Apps that ask for a newer or a stronger login, through both steps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from smart_auth.oauth.factors.methods import ONE_FACTOR, TWO_FACTORS
from tests.support.apps import allow, app, ask, follow, granted, send, told
from tests.support.factors import second, set_up_app, with_app
from tests.support.gate import Pool
from tests.support.portal import PASSWORD, account, browser, sign_in
from tests.support.search import Clinic

Use = Callable[[httpx.AsyncClient], Awaitable[None]]


@pytest.fixture
def client_id(pool: Pool) -> str:
    """An app, and the patient's account `ada` with its record."""
    Clinic(pool).put({"resourceType": "Patient", "id": "p1", "name": [{"text": "Ada Byron"}]})
    account(pool, "ada", "patient", "Patient/p1")
    return app(pool)


def browsing(url: str, use: Use) -> None:
    """Run `use` with a browser."""

    async def main() -> None:
        async with browser(url) as client:
            await use(client)

    asyncio.run(main())


async def password(client: httpx.AsyncClient, page: httpx.Response) -> httpx.Response:
    """Give the password on the login page of an app's request."""
    return await send(client, page, "login", username="ada", password=PASSWORD)


@pytest.mark.spec("OpenID Connect Core 1.0 3.1.2.1")
def test_an_app_that_wants_two_factors(database_url: str, pool: Pool, client_id: str) -> None:
    """A login by password is not enough for it: the person takes both steps, and the app gets its code."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        totp = with_app(pool, "ada")
        assert "Allow" in (await ask(client, client_id)).text
        silent = told(await ask(client, client_id, acr_values=TWO_FACTORS, prompt="none"))
        assert silent["error"] == "login_required"
        page = await ask(client, client_id, acr_values=TWO_FACTORS)
        page = await password(client, page)
        assert "One more step" in page.text
        assert "https://app.test" in page.headers["content-security-policy"]
        page = await follow(client, await second(client, code=totp.now()))
        told(await allow(client, page))
        told(await ask(client, client_id, acr_values=f"{TWO_FACTORS} {ONE_FACTOR}"))

    browsing(database_url, use)
    assert [grant.methods for grant in granted(pool)] == [("pwd", "otp", "mfa")] * 2


def test_who_has_no_second_factor_sets_one_up(database_url: str, pool: Pool, client_id: str) -> None:
    """An app's wish for two factors leads somebody without one to set it up, and on to the app."""

    async def use(client: httpx.AsyncClient) -> None:
        page = await password(client, await ask(client, client_id, acr_values=TWO_FACTORS))
        assert "Set up a second step" in page.text
        _, done = await set_up_app(client, "/account/login/setup")
        assert "/account/authorize?request=" in done.text
        told(await allow(client, await ask(client, client_id, acr_values=TWO_FACTORS)))

    browsing(database_url, use)
    assert [grant.methods for grant in granted(pool)] == [("pwd", "otp", "mfa")]


@pytest.mark.spec("OpenID Connect Core 1.0 3.1.2.1")
@pytest.mark.parametrize("wish", [{"prompt": "login"}, {"max_age": "600"}])
def test_an_app_that_wants_a_newer_login(database_url: str, pool: Pool, client_id: str, wish: dict[str, str]) -> None:
    """The password alone does not satisfy it where there is a second step; the time of the login is that of its end."""
    totp = with_app(pool, "ada")

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        await second(client, code=totp.at(time.time() - 30))
        with pool.connection() as connection:
            connection.execute("UPDATE session SET created = created - interval '1 hour'")
        page = await password(client, await ask(client, client_id, **wish))
        assert "One more step" in page.text
        assert "Sign in" in (await ask(client, client_id, **wish)).text
        page = await follow(client, await second(client, code=totp.now()))
        told(await allow(client, page))

    browsing(database_url, use)
    (grant,) = granted(pool)
    assert time.time() - 60 < grant.auth_time <= time.time()
