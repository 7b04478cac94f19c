"""Apps that register themselves."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import transaction
from smart_auth.oauth.registration import invite
from tests.integration.smart_auth.test_token_code import ask
from tests.support.gate import Pool, token
from tests.support.oauth import CALLBACK, code, exchange, key_pair, patient_account, public, server

JSON = "application/json"
BYE = "https://app.example/bye"
APP = {"client_name": "App", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}


def send(url: str, *bodies: Any, is_open: bool = True, kind: str = JSON, bearer: str = "") -> list[httpx.Response]:
    """The answers to registrations."""

    async def main() -> list[httpx.Response]:
        async with server(url, open_registration=is_open) as client:
            given = {"Content-Type": kind} | ({"Authorization": bearer} if bearer else {})
            sent = [one if isinstance(one, bytes) else msgspec.json.encode(one) for one in bodies]
            return list(
                await asyncio.gather(*(client.post("/oauth/register", content=body, headers=given) for body in sent))
            )

    return asyncio.run(main())


@pytest.mark.spec("RFC 7591 3.2.1")
def test_open_registration(database_url: str, pool: Pool) -> None:
    """An app tells what it is and is told its client_id and all that was registered; it works at once."""
    patient_account(pool)
    asked = APP | {"scope": "openid patient/*.rs", "logo_uri": "https://app.example/logo.png", "x": 1}
    (answer,) = send(database_url, asked)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    told = answer.json()
    id_ = told.pop("client_id")
    assert told == APP | {
        "scope": "openid patient/*.rs", "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
    }  # fmt: skip
    assert ask(database_url, exchange(id_, code(pool, id_)))[0].status_code == 200


def test_confidential_apps(database_url: str) -> None:
    """A confidential app is told its secret, or has its keys registered; the RFC's default is a secret by Basic."""
    keys = msgspec.json.decode(public(key_pair()))
    default = {"client_name": "App", "redirect_uris": [CALLBACK]}
    secret, signed = send(
        database_url,
        default | {"initiate_login_uri": "https://app.example/launch", "post_logout_redirect_uris": [BYE]},
        default | {"token_endpoint_auth_method": "private_key_jwt", "jwks": keys},
    )
    assert (secret.json()["token_endpoint_auth_method"], len(secret.json()["client_secret"])) == (
        "client_secret_basic", 43,
    )  # fmt: skip
    assert secret.json()["client_secret_expires_at"] == 0
    assert secret.json()["initiate_login_uri"] == "https://app.example/launch"
    assert secret.json()["post_logout_redirect_uris"] == [BYE]
    assert signed.json()["jwks"] == keys
    assert "client_secret" not in signed.json()


@pytest.mark.spec("RFC 7591 3.2.2")
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"no json", "invalid_client_metadata"),
        (b"[]", "invalid_client_metadata"),
        (b"[" * 10_000, "invalid_client_metadata"),
        (APP | {"client_name": 7}, "invalid_client_metadata"),
        (APP | {"post_logout_redirect_uris": ["http://app.example/bye"]}, "invalid_redirect_uri"),
        (APP | {"post_logout_redirect_uris": "https://app.example/bye"}, "invalid_client_metadata"),
        (APP | {"client_name": ""}, "invalid_client_metadata"),
        (APP | {"scope": "nonsense"}, "invalid_client_metadata"),
        (APP | {"scope": "system/*.rs"}, "invalid_client_metadata"),
        (APP | {"grant_types": ["password"]}, "invalid_client_metadata"),
        (APP | {"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        (APP | {"response_types": ["token"]}, "invalid_client_metadata"),
        (APP | {"token_endpoint_auth_method": "magic"}, "invalid_client_metadata"),
        (APP | {"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        (APP | {"jwks_uri": "https://keys.example/"}, "invalid_client_metadata"),
        (APP | {"redirect_uris": ["http://app.example/"]}, "invalid_redirect_uri"),
        (APP | {"redirect_uris": []}, "invalid_redirect_uri"),
        (APP | {"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
    ],
)
def test_what_is_refused(database_url: str, pool: Pool, body: Any, error: str) -> None:
    """Metadata that make no sense are refused by name, and nothing is registered."""
    (answer,) = send(database_url, body)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM client").fetchone() == (0,)


def test_other_media_types(database_url: str) -> None:
    """What is no JSON by its own word is not read."""
    (answer,) = send(database_url, APP, kind="text/plain")
    assert answer.status_code == 400


@pytest.mark.spec("RFC 7591 3.1")
def test_invitation(database_url: str, pool: Pool) -> None:
    """Where registration is closed an invitation is needed, which is good once, also for fifty, and only here."""
    (without,) = send(database_url, APP, is_open=False)
    assert (without.status_code, without.json()["error"]) == (401, "invalid_token")
    assert without.headers["www-authenticate"].startswith("Bearer")
    given = transaction(pool, lambda: invite(60, Origin("healix-cli")))
    bearer = f"Bearer {given}"
    (flawed,) = send(database_url, APP | {"redirect_uris": []}, is_open=False, bearer=bearer)
    assert flawed.status_code == 400
    answers = send(database_url, *[APP] * 50, is_open=False, bearer=bearer)
    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 49
    for other in (token(pool, "system/*.cruds"), "unknown"):
        (answer,) = send(database_url, APP, is_open=False, bearer=f"Bearer {other}")
        assert answer.status_code == 401
    (answer,) = send(database_url, APP, is_open=True, bearer=bearer)
    assert answer.status_code == 401
    (answer,) = send(database_url, APP, is_open=False, bearer=f"Basic {given}")
    assert answer.status_code == 401


def test_registration_is_audited(database_url: str, pool: Pool) -> None:
    """Who registered what from where is in the trail, and who was refused."""
    made, _ = send(database_url, APP, b"no json")
    with pool.connection() as connection:
        rows = connection.execute("SELECT action, subtype, outcome, client, address FROM audit_event").fetchall()
    assert sorted(rows) == [
        ("C", "client", 0, made.json()["client_id"], "192.0.2.9"),
        ("E", "register", 4, None, "192.0.2.9"),
    ]
