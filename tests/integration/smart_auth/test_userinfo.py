"""Who the person is, asked with a token."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from healix_fhir.kernel.database import transaction
from smart_auth.store import disable_user, revoke
from tests.support.gate import Pool, token
from tests.support.oauth import ISSUER, app, code, exchange, patient_account, server

WHERE = "/oauth/userinfo"


@pytest.fixture
def client_id(pool: Pool) -> str:
    """A public client, and the account `ada`."""
    patient_account(pool)
    return app(pool, scope="openid fhirUser profile patient/*.rs")[0]


def told(url: str, value: str | None, *, by_post: bool = False) -> httpx.Response:
    """The answer to a token."""

    async def main() -> httpx.Response:
        async with server(url) as client:
            if by_post:
                return await client.post(WHERE, data={"access_token": value} if value is not None else {})
            return await client.get(WHERE, headers={"Authorization": f"Bearer {value}"} if value is not None else {})

    return asyncio.run(main())


def given(url: str, pool: Pool, client_id: str, scope: str) -> str:
    """An access token for what `ada` allowed the client."""

    async def main() -> httpx.Response:
        async with server(url) as client:
            return await client.post("/oauth/token", data=exchange(client_id, code(pool, client_id, scope=scope)))

    answer: dict[str, Any] = asyncio.run(main()).json()
    return str(answer["access_token"])


@pytest.mark.spec("OpenID Connect Core 1.0 5.3")
@pytest.mark.parametrize("by_post", [False, True])
@pytest.mark.parametrize(
    ("scope", "more"),
    [
        ("openid", {}),
        ("openid fhirUser", {"fhirUser": f"{ISSUER}/fhir/Patient/p1"}),
        ("openid profile", {"profile": f"{ISSUER}/fhir/Patient/p1", "preferred_username": "ada"}),
    ],
)
def test_userinfo(
    database_url: str, pool: Pool, client_id: str, scope: str, more: dict[str, str], by_post: bool
) -> None:
    """The person's `sub` is told, and what the scopes ask for, by GET and by POST."""
    answer = told(database_url, given(database_url, pool, client_id, scope), by_post=by_post)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    claims = answer.json()
    with pool.connection() as connection:
        row = connection.execute("SELECT subject FROM account").fetchone()
        trail = connection.execute("SELECT count(*) FROM audit_event WHERE subtype = 'userinfo'").fetchone()
    assert row is not None
    assert claims == {"sub": row[0], **more}
    assert trail == (1,)


@pytest.mark.spec("OpenID Connect Core 1.0 5.3.3")
@pytest.mark.spec("RFC 6750 section 3.1")
@pytest.mark.parametrize("by_post", [False, True])
@pytest.mark.parametrize(
    ("case", "status", "error"),
    [
        ("none", 401, "invalid_token"),
        ("forged", 401, "invalid_token"),
        ("no person", 401, "invalid_token"),
        ("revoked", 401, "invalid_token"),
        ("closed account", 401, "invalid_token"),
        ("no openid", 403, "insufficient_scope"),
    ],
)
def test_no_userinfo(
    database_url: str, pool: Pool, client_id: str, case: str, status: int, error: str, by_post: bool
) -> None:
    """Without a good token of a person, with the scope openid, nothing is told."""
    value = given(database_url, pool, client_id, "patient/*.rs" if case == "no openid" else "openid")
    if case == "revoked":
        transaction(pool, lambda: revoke(value))
    if case == "closed account":
        transaction(pool, lambda: disable_user("ada"))
    asked = {"none": None, "forged": "x" * 43, "no person": token(pool, "system/*.rs")}.get(case, value)
    answer = told(database_url, asked, by_post=by_post)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert ("www-authenticate" in answer.headers) is (status == 401)
    assert "sub" not in answer.json()
