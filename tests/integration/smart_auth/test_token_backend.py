"""The token endpoint: backend services prove with a key who they are."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import transaction
from smart_auth.administration.clients import close_client
from smart_auth.api import edge
from smart_auth.oauth.clients import Client, find_client
from smart_auth.store import sweep
from tests.integration.smart_auth.test_token_code import ask, opens
from tests.support.gate import Pool
from tests.support.oauth import (
    ISSUER,
    app,
    assertion,
    code,
    exchange,
    key_pair,
    patient_account,
    proving,
    public,
    server,
)

KEY = key_pair()
REGISTERED = {"scope": "system/*.rs", "auth": "private_key_jwt", "redirect_uris": (), "jwks": public(KEY)}


@pytest.fixture
def service(pool: Pool) -> str:
    """A backend service with `KEY`."""
    return app(pool, **REGISTERED)[0]


@pytest.mark.spec("smart-app-launch/STU2.2/backend-services.html")
@pytest.mark.parametrize("alg", ["RS384", "ES384"])
@pytest.mark.parametrize("aud", [ISSUER, f"{ISSUER}/oauth/token", [f"{ISSUER}/oauth/token"]])
def test_backend_service(database_url: str, pool: Pool, alg: str, aud: Any) -> None:
    """A service whose assertion is right gets a token of five minutes, without a refresh token or a patient."""
    key = key_pair(alg)
    id_, _ = app(pool, **REGISTERED | {"jwks": public(key)})
    (answer,) = ask(database_url, proving(assertion(key, id_, alg=alg, aud=aud)))
    assert answer.status_code == 200, answer.text
    given = answer.json()
    access = opens(pool, given.pop("access_token"))
    assert given == {"token_type": "Bearer", "expires_in": 300, "scope": "system/*.rs"}
    assert (access.origin.client, access.origin.account, access.patient) == (id_, None, None)


@pytest.mark.parametrize(
    ("asked", "status", "granted"),
    [
        ("system/Patient.rs system/Observation.read", 200, "system/Patient.rs system/Observation.read"),
        ("system/*.cruds", 200, "system/*.rs"),
        ("system/Patient.rs user/*.rs offline_access", 200, "system/Patient.rs"),
        ("system/Patient.cud", 400, "invalid_scope"),
        ("patient/*.rs", 400, "invalid_scope"),
        ("nonsense", 400, "invalid_scope"),
        ("", 400, "invalid_scope"),
    ],
)
def test_scope_of_a_service(database_url: str, service: str, asked: str, status: int, granted: str) -> None:
    """A service gets the part of what it asks that it is registered for, and only `system/` scopes."""
    (answer,) = ask(database_url, proving(assertion(KEY, service), scope=asked))
    assert answer.status_code == status
    assert answer.json()["scope" if status == 200 else "error"] == granted


@pytest.mark.spec("RFC 7523 3")
@pytest.mark.parametrize(
    "flaw",
    [
        {"aud": "https://other.example"}, {"aud": [ISSUER, "https://other.example"]}, {"aud": []}, {"aud": None},
        {"aud": f"{ISSUER}/"}, {"aud": f"{ISSUER}/oauth/introspect"}, {"iss": "other"}, {"iss": None}, {"sub": "other"},
        {"sub": None}, {"jti": None}, {"jti": ""}, {"jti": "x" * 300}, {"jti": 7}, {"exp": None}, {"exp": "soon"},
        {"exp": 1_000_000}, {"exp": -5}, {"exp": 10**30}, {"exp": True}, {"iat": 2**39}, {"nbf": 2**39}, {"iat": "now"},
        {"iss": "other", "sub": "other"}, {"sub": 7, "iss": 7},
    ],
)  # fmt: skip
def test_claims_that_are_not_right(database_url: str, service: str, flaw: dict[str, Any]) -> None:
    """Each claim of an assertion must be there and say what it must."""
    (answer,) = ask(database_url, proving(assertion(KEY, service, **flaw)))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.spec("smart-app-launch/STU2.2/client-confidential-asymmetric.html")
@pytest.mark.parametrize(("ahead", "status"), [(295, 200), (400, 401), (86_400, 401), (-1, 401)])
def test_life_of_an_assertion(database_url: str, service: str, ahead: int, status: int) -> None:
    """An assertion lives five minutes at most, and not beyond its end."""
    (answer,) = ask(database_url, proving(assertion(KEY, service, exp=int(time.time()) + ahead)))
    assert answer.status_code == status


@pytest.mark.parametrize("header", [{"kid": "k2"}, {"kid": None}, {"kid": ""}, {"typ": "at+jwt"}])
def test_headers_that_are_not_right(database_url: str, service: str, header: dict[str, Any]) -> None:
    """The header names a key that the client has registered."""
    (answer,) = ask(database_url, proving(assertion(KEY, service, header=header)))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_foreign_key_set_is_not_looked_at(database_url: str, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header's jku leads nowhere: neither is it fetched, nor does its key open anything."""
    monkeypatch.setattr("smart_auth.oauth.remote_keys.resolve", lambda *_a, **_k: pytest.fail("fetched"))
    header = {"jku": "https://evil.example/jwks"}
    good, bad = ask(
        database_url,
        proving(assertion(KEY, service, header=header)),
        proving(assertion(key_pair(), service, header=header)),
    )
    assert (good.status_code, bad.status_code) == (200, 401)


def test_signatures_that_are_none(database_url: str, service: str) -> None:
    """Unsigned assertions, other algorithms, another's key and the public key as a secret are refused."""
    good = assertion(KEY, service)
    head, claims, signature = good.split(".")
    none = "eyJhbGciOiJub25lIiwia2lkIjoiazEiLCJ0eXAiOiJKV1QifQ"
    secret = OctKey.import_key(public(KEY), {"kid": "k1"})
    small = ECKey.generate_key("P-256", {"kid": "k1"})
    bad = [
        f"{none}.{claims}.{signature}", f"{none}.{claims}.", f"{head}.{claims}.", f"{head}.{claims}", good + "x", "x",
        "..", good[:-4] + "AAAA", "x" * 20_000, "ü.ü.ü", f"{head}.W10.{signature}",
        assertion(key_pair(), service), assertion(small, service, alg="ES256"),
        assertion(RSAKey.generate_key(2048, {"kid": "k1"}), service, alg="RS384"),
        assertion(RSAKey.generate_key(2048, {"kid": "k1"}), service, alg="RS256"),
        assertion(secret, service, alg="HS256"),
    ]  # fmt: skip
    answers = ask(database_url, *(proving(signed) for signed in bad))
    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [(401, "invalid_client")] * len(bad)
    assert ask(database_url, proving(good))[0].status_code == 200


@pytest.mark.spec("RFC 7523 3")
def test_replay_is_refused(database_url: str, pool: Pool, service: str) -> None:
    """An assertion is taken once, whatever comes of it; of fifty at once one is; sweeping forgets none too soon."""
    failing = proving(assertion(KEY, service), scope="patient/*.rs")
    refused, again = ask(database_url, failing, failing | {"scope": "system/*.rs"})
    assert (refused.json()["error"], again.json()["error"]) == ("invalid_scope", "invalid_client")
    transaction(pool, sweep)
    assert ask(database_url, failing | {"scope": "system/*.rs"})[0].status_code == 401

    async def main() -> list[httpx.Response]:
        form = proving(assertion(KEY, service))
        async with server(database_url) as client:
            return list(await asyncio.gather(*(client.post("/oauth/token", data=form) for _ in range(50))))

    assert sorted(answer.status_code for answer in asyncio.run(main())) == [200] + [401] * 49


def test_jti_of_another_client(database_url: str, pool: Pool, service: str) -> None:
    """The jti of one client says nothing of another's."""
    other = app(pool, **REGISTERED)[0]
    answers = ask(database_url, *(proving(assertion(KEY, id_, jti="same")) for id_ in (service, other)))
    assert [answer.status_code for answer in answers] == [200, 200]


@pytest.mark.parametrize(
    "change",
    [
        {"client_assertion_type": ""}, {"client_assertion_type": "urn:x"}, {"client_assertion": ""},
        {"client_id": "other"}, {"client_secret": "x"},
    ],
)  # fmt: skip
def test_one_way_only(database_url: str, service: str, change: dict[str, str]) -> None:
    """An assertion comes with its type, for the client that is named, and with no second proof."""
    (answer,) = ask(database_url, proving(assertion(KEY, service)) | change)
    assert answer.json()["error"] == ("invalid_request" if "client_secret" in change else "invalid_client")


def test_app_with_a_key(database_url: str, pool: Pool) -> None:
    """A confidential asymmetric app redeems its code with an assertion, and not without one; it is no service."""
    patient_account(pool)
    id_, _ = app(pool, auth="private_key_jwt", jwks=public(KEY))
    proof = {name: value for name, value in proving(assertion(KEY, id_)).items() if name.startswith("client_")}
    (refused,) = ask(database_url, exchange(id_, code(pool, id_)))
    assert refused.json()["error"] == "invalid_client"
    (answer,) = ask(database_url, exchange(id_, code(pool, id_)) | proof)
    assert answer.status_code == 200
    assert ask(database_url, proving(assertion(KEY, id_)))[0].json()["error"] == "unauthorized_client"


def test_a_client_that_is_closed_meanwhile_gets_nothing(
    database_url: str, pool: Pool, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request whose client proved itself just before an administrator closed it gets no token."""
    known = transaction(pool, lambda: find_client(service))
    assert known is not None

    async def proven(*_: object) -> Client:
        return known

    monkeypatch.setattr(edge, "authenticate", proven)
    form = proving(assertion(KEY, service))
    assert ask(database_url, form)[0].status_code == 200
    transaction(pool, lambda: close_client(service, Origin()))
    answer = ask(database_url, form)[0]
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
