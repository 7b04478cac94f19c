"""What a token is worth, and giving it back."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import transaction
from smart_auth.research import bind
from smart_auth.store import CHANNEL, disable_user
from tests.integration.smart_auth.test_token_code import ask, opens
from tests.support.gate import Pool, token
from tests.support.oauth import (
    ISSUER,
    SCOPE,
    app,
    assertion,
    code,
    exchange,
    key_pair,
    patient_account,
    proving,
    public,
    refreshing,
    server,
)  # fmt: skip


def post(url: str, path: str, form: dict[str, str], **options: Any) -> httpx.Response:
    """The answer to a form."""

    async def main() -> httpx.Response:
        async with server(url) as client:
            return await client.post(path, data=form, **options)

    return asyncio.run(main())


@pytest.fixture
def client_id(pool: Pool) -> str:
    """A public client, and the account `ada`."""
    patient_account(pool)
    return app(pool)[0]


@pytest.fixture
def given(database_url: str, pool: Pool, client_id: str) -> dict[str, Any]:
    """What the client was given for a code."""
    return dict(ask(database_url, exchange(client_id, code(pool, client_id, encounter="e1")))[0].json())


@pytest.fixture
def reader(pool: Pool) -> dict[str, Any]:
    """How a resource server proves itself."""
    id_, secret = app(pool, auth="client_secret_basic", redirect_uris=())
    assert secret is not None
    return {"auth": httpx.BasicAuth(id_, secret)}


@pytest.mark.spec("RFC 7662 2.2")
def test_good_tokens(database_url: str, given: dict[str, Any], reader: dict[str, Any], client_id: str) -> None:
    """Of a good token the scope, client, person, times and launch context are told; the answer is not stored."""
    answer = post(database_url, "/oauth/introspect", {"token": given["access_token"]}, **reader)
    assert answer.headers["cache-control"] == "no-store"
    shown = answer.json()
    assert shown.pop("exp") - shown.pop("iat") == 3600
    assert len(shown.pop("sub")) == 36
    assert shown == {
        "active": True, "scope": SCOPE, "client_id": client_id, "iss": ISSUER, "token_type": "Bearer",
        "username": "ada", "fhirUser": f"{ISSUER}/fhir/Patient/p1", "patient": "p1", "encounter": "e1",
    }  # fmt: skip
    refresh = post(database_url, "/oauth/introspect", {"token": given["refresh_token"]}, **reader).json()
    assert (refresh["active"], refresh["token_type"], refresh["patient"]) == (True, "refresh_token", "p1")


@pytest.mark.spec("RFC 7662 2.2")
def test_tokens_of_an_app_that_became_one_of_research(database_url: str, pool: Pool, reader: dict[str, Any]) -> None:
    """Tokens from before the app was bound to a project are told with what they still open, and without a patient."""
    patient_account(pool)
    scope = "openid launch/patient user/ImagingStudy.cruds user/ImagingStudy.rs?modality=CT patient/*.rs offline_access"
    id_, _ = app(pool, scope="openid offline_access user/ImagingStudy.rs")
    given = ask(database_url, exchange(id_, code(pool, id_, scope=scope, encounter="e1")))[0].json()
    with pool.connection() as connection:
        connection.execute("INSERT INTO research_project (name, profile, secret) VALUES ('trial', '{}', '')")
    transaction(pool, lambda: bind(id_, "trial", OPERATOR, CHANNEL))
    for kind in ("access_token", "refresh_token"):
        shown = post(database_url, "/oauth/introspect", {"token": given[kind]}, **reader).json()
        assert shown["active"]
        assert shown["scope"] == "openid user/ImagingStudy.rs patient/ImagingStudy.rs offline_access"
        assert not shown.keys() & {"patient", "encounter"}


@pytest.mark.spec("RFC 7662 2.2")
def test_tokens_that_are_not_good(database_url: str, pool: Pool, given: dict[str, Any], reader: dict[str, Any]) -> None:
    """Of unknown, used and revoked tokens and those of closed accounts nothing is told but that they are not good."""
    ask(database_url, refreshing(given["refresh_token"]))
    for value in ("unknown", given["refresh_token"]):
        assert post(database_url, "/oauth/introspect", {"token": value}, **reader).json() == {"active": False}
    transaction(pool, lambda: disable_user("ada"))
    answer = post(database_url, "/oauth/introspect", {"token": given["access_token"]}, **reader)
    assert answer.json() == {"active": False}


@pytest.mark.spec("RFC 7662 2.1")
def test_who_may_ask(database_url: str, pool: Pool, given: dict[str, Any], client_id: str) -> None:
    """Confidential clients and system tokens may ask; public clients, other tokens and nobody may not."""
    asked = {"token": given["access_token"]}
    bearers = {name: token(pool, *value[:1], **value[1]) for name, value in {
        "system": ("system/*.rs", {}), "patient": ("patient/*.rs", {"patient": "p1"}),
    }.items()}  # fmt: skip

    def send(form: dict[str, str], bearer: str | None = None) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        answer = post(database_url, "/oauth/introspect", form, headers=headers)
        return answer.status_code, answer.json().get("error", "")

    assert send(asked, bearers["system"]) == (200, "")
    assert send(asked, bearers["patient"]) == (403, "insufficient_scope")
    assert send(asked, given["access_token"]) == (403, "insufficient_scope")
    assert send(asked, "unknown") == (401, "invalid_token")
    assert send(asked) == (401, "invalid_client")
    assert send(asked | {"client_id": client_id}) == (401, "invalid_client")
    assert send({}, bearers["system"]) == (400, "invalid_request")
    key = key_pair()
    id_, _ = app(pool, scope="system/*.rs", auth="private_key_jwt", redirect_uris=(), jwks=public(key))
    proof = {name: value for name, value in proving(assertion(key, id_)).items() if name.startswith("client_")}
    assert send(asked | proof) == (200, "")
    with pool.connection() as connection:
        rows = connection.execute(
            "SELECT outcome, count(*) FROM audit_event WHERE subtype = 'introspect' GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert rows == [(0, 2), (4, 6)]


@pytest.mark.spec("RFC 7009 2.1")
@pytest.mark.parametrize("named", [True, False])
def test_refresh_token_ends_its_grant(
    database_url: str, pool: Pool, given: dict[str, Any], client_id: str, named: bool
) -> None:
    """A refresh token that is given back takes the whole grant with it, also when it was used already."""
    latest = ask(database_url, refreshing(given["refresh_token"]))[0].json()
    form = {"token": given["refresh_token"]} | ({"client_id": client_id} if named else {})
    assert post(database_url, "/oauth/revoke", form).status_code == 200
    assert [opens(pool, one["access_token"]) for one in (given, latest)] == [None, None]
    assert ask(database_url, refreshing(latest["refresh_token"]))[0].json()["error"] == "invalid_grant"
    assert post(database_url, "/oauth/revoke", form).status_code == 200


def test_access_token_ends_alone(database_url: str, pool: Pool, given: dict[str, Any], client_id: str) -> None:
    """An access token that is given back is worthless; the refresh token stays good."""
    form = {"token": given["access_token"], "client_id": client_id, "token_type_hint": "refresh_token"}
    assert post(database_url, "/oauth/revoke", form).status_code == 200
    assert opens(pool, given["access_token"]) is None
    assert ask(database_url, refreshing(given["refresh_token"]))[0].status_code == 200
    with pool.connection() as connection:
        row = connection.execute("SELECT client, account FROM audit_event WHERE action = 'D'").fetchone()
    assert row == (client_id, "ada")


@pytest.mark.spec("RFC 7009 2.2")
def test_tokens_of_others(database_url: str, pool: Pool, given: dict[str, Any]) -> None:
    """What is not the client's is answered like what does not exist, and stays good."""
    other, _ = app(pool)
    tokens = (given["access_token"], given["refresh_token"], "unknown", token(pool, "system/*.rs"))
    answers = [post(database_url, "/oauth/revoke", {"token": one, "client_id": other}) for one in tokens]
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, b"")}
    assert opens(pool, given["access_token"]) is not None
    assert ask(database_url, refreshing(given["refresh_token"]))[0].status_code == 200


def test_who_may_revoke(database_url: str, pool: Pool, given: dict[str, Any], client_id: str) -> None:
    """A confidential client must prove itself; without a token or a known client nothing is done."""
    id_, secret = app(pool, auth="client_secret_post")
    proof = {"client_id": id_, "client_secret": str(secret)}
    theirs = ask(database_url, exchange(id_, code(pool, id_)) | proof)[0].json()["refresh_token"]
    for form, status in (
        ({"token": theirs}, 401),
        ({"token": theirs, "client_id": id_}, 401),
        ({"token": theirs, **proof, "client_secret": "x"}, 401),
        ({"token": "unknown"}, 401),
        ({"client_id": client_id}, 400),
        ({"token": token(pool, "system/*.rs")}, 401),
    ):
        assert post(database_url, "/oauth/revoke", form).status_code == status
    assert ask(database_url, refreshing(theirs, **proof))[0].status_code == 200
    assert post(database_url, "/oauth/revoke", {"token": theirs, **proof}).status_code == 200
