"""Limits of the OAuth endpoints: in their own form, and never on somebody else's account."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import transaction
from smart_auth.oauth.registration import invite
from tests.support.gate import Pool, token
from tests.support.oauth import app, assertion, key_pair, proving, public, server

KEY = key_pair()
APP = {"client_name": "App", "redirect_uris": ["https://app.example/"], "token_endpoint_auth_method": "none"}
Use = Callable[[httpx.AsyncClient], Awaitable[None]]


def limited(url: str, limits: str, use: Use, **options: Any) -> None:
    """Run `use` with a client of a server that has these limits."""

    async def main() -> None:
        async with server(url, limits=limits, **options) as client:
            await use(client)

    asyncio.run(main())


def service(pool: Pool) -> str:
    """A registered backend service with the key `KEY`."""
    return app(pool, auth="private_key_jwt", scope="system/*.rs", jwks=public(KEY), redirect_uris=())[0]


def check_busy(answer: httpx.Response, policy: str) -> None:
    """It is a refusal in OAuth's form that tells what held the caller, and for how long."""
    assert answer.status_code == 429
    assert answer.json()["error"] == "temporarily_unavailable"
    seconds = int(answer.headers["retry-after"])
    name = policy.partition(";")[0]
    assert (answer.headers["ratelimit-policy"], answer.headers["ratelimit"]) == (policy, f"{name};r=0;t={seconds}")
    assert answer.headers["cache-control"] == "no-store"


def test_tokens_for_a_client(database_url: str, pool: Pool) -> None:
    """A client that proved itself has a quota of its own, sees what is left of it, and leaves others alone."""
    one, other = service(pool), service(pool)

    async def use(client: httpx.AsyncClient) -> None:
        answers = [await client.post("/oauth/token", data=proving(assertion(KEY, one))) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert '"token-client";r=1;t=' in answers[0].headers["ratelimit"]
        assert '"token-client";q=2;w=60' in answers[0].headers["ratelimit-policy"]
        check_busy(answers[2], '"token-client";q=2;w=60')
        assert (await client.post("/oauth/token", data=proving(assertion(KEY, other)))).status_code == 200

    limited(database_url, "token-client=2/60", use)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("token", {"grant_type": "authorization_code", "client_id": "nobody", "code": "c"}),
        ("token", {"grant_type": "refresh_token", "refresh_token": "unknown"}),
        ("introspect", {"token": "t", "client_id": "nobody", "client_secret": "s"}),
        ("revoke", {"token": "t", "client_id": "nobody", "client_secret": "s"}),
    ],
)
def test_guessing(database_url: str, pool: Pool, path: str, form: dict[str, str]) -> None:
    """Wrong credentials and tokens are refused a few times, then told to wait; good ones from there are not held."""
    good = service(pool)

    async def use(client: httpx.AsyncClient) -> None:
        answers = [await client.post(f"/oauth/{path}", data=form) for _ in range(4)]
        assert {answer.status_code for answer in answers[:3]} <= {400, 401}
        check_busy(answers[3], '"client-guess";q=3;w=60')
        assert (await client.post("/oauth/token", data=proving(assertion(KEY, good)))).status_code == 200

    limited(database_url, "client-guess=3/60", use)


def test_a_stranger_uses_up_no_quota_of_a_client(database_url: str, pool: Pool) -> None:
    """Requests that only name a client, and do not prove to be it, do not count for it."""
    id_, secret = app(pool, auth="client_secret_post")

    async def use(client: httpx.AsyncClient) -> None:
        for _ in range(5):
            form = {"token": "t", "client_id": id_, "client_secret": "wrong"}
            assert (await client.post("/oauth/introspect", data=form)).status_code == 401
        form = {"token": "t", "client_id": id_, "client_secret": str(secret)}
        answer = await client.post("/oauth/introspect", data=form)
        assert (answer.status_code, answer.json()) == (200, {"active": False})
        check_busy(await client.post("/oauth/introspect", data=form), '"introspect-client";q=1;w=60')

    limited(database_url, "introspect-client=1/60", use)


@pytest.mark.parametrize(
    ("path", "form", "rule"),
    [
        ("token", {"grant_type": "authorization_code", "code": "c", "redirect_uri": "r", "code_verifier": "v"},
         "token-public"),
        ("revoke", {"token": "t"}, "revoke-public"),
    ],
)  # fmt: skip
def test_a_stranger_holds_no_public_app(
    database_url: str, pool: Pool, path: str, form: dict[str, str], rule: str
) -> None:
    """Who takes the name of an app that cannot prove it is held at that address, and the app nowhere else."""
    id_, _ = app(pool)
    sent = form | {"client_id": id_}
    where = "192.0.2.66"

    async def use(client: httpx.AsyncClient) -> None:
        assert isinstance(client._transport, httpx.ASGITransport)
        elsewhere = httpx.ASGITransport(client._transport.app, client=(where, 5))
        async with httpx.AsyncClient(transport=elsewhere, base_url=client.base_url) as stranger:
            answers = [await stranger.post(f"/oauth/{path}", data=sent) for _ in range(3)]
            check_busy(answers[2], f'"{rule}";q=2;w=60')
        assert (await client.post(f"/oauth/{path}", data=sent)).status_code != 429

    limited(database_url, f"{rule}=2/60,token-client=2/60,revoke-client=2/60", use)


def test_introspection_with_bad_tokens(database_url: str, pool: Pool) -> None:
    """Who asks with access tokens that are not good is held like everywhere, in OAuth's form; good ones are not."""
    good = token(pool, "system/*.rs")

    async def use(client: httpx.AsyncClient) -> None:
        async def ask(bearer: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {bearer}"}
            return await client.post("/oauth/introspect", data={"token": "t"}, headers=headers)

        assert [(await ask(f"bad{n}")).status_code for n in range(2)] == [401, 401]
        check_busy(await ask("bad"), '"token-guess";q=2;w=60')
        assert (await ask(good)).status_code == 200

    limited(database_url, "token-guess=2/60", use)


def test_registrations(database_url: str, pool: Pool) -> None:
    """Callers without an invitation cannot fill the disk with apps, together or from one address."""

    async def use(client: httpx.AsyncClient) -> None:
        async def register(bearer: str = "") -> httpx.Response:
            given = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
            return await client.post("/oauth/register", content=msgspec.json.encode(APP), headers=given)

        answer = await register()
        assert answer.status_code == 201
        assert '"open-registration";r=0;t=' in answer.headers["ratelimit"]
        check_busy(await register(), '"open-registration";q=1;w=3600')
        invited = [transaction(pool, lambda: invite(60, Origin("healix-cli"))) for _ in range(2)]
        assert (await register(invited[0])).status_code == 201
        check_busy(await register(invited[1]), '"client-registration";q=2;w=3600')

    limited(database_url, "open-registration=1/3600,client-registration=2/3600", use, open_registration=True)
