"""The OAuth server of one process over a real database, and clients of every kind for it."""

from __future__ import annotations

import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from healix_fhir.kernel.database import open_async_pool, transaction
from smart_auth.api import well_known
from smart_auth.api.bearer import TokenGate
from smart_auth.api.edge import Provider
from smart_auth.api.routes import routes
from smart_auth.discovery import AUTHORIZE
from smart_auth.oauth.assertion import TYPE
from smart_auth.oauth.clients import NewClient, create_client
from smart_auth.oauth.grant import Grant, issue_code
from smart_auth.oauth.identity import Identity
from smart_auth.oauth.limits import changed_rules
from smart_auth.oauth.remote_keys import RemoteKeys
from smart_auth.oauth.seal import Seal
from smart_auth.oauth.signing import SigningKeys
from smart_auth.oauth.throttle import Throttle
from tests.support.gate import Pool, user

ISSUER = "https://healix.test"
CALLBACK = "https://app.example/callback"
VERIFIER = "correct-horse-battery-staple-correct-horse-battery"
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SCOPE = "openid fhirUser launch/patient patient/*.rs offline_access"
ADDRESS = "192.0.2.9"


@asynccontextmanager
async def server(
    url: str,
    *,
    allow_private: bool = False,
    seal: Seal | None = None,
    open_registration: bool = False,
    limits: str = "",
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the OAuth endpoints, at `ADDRESS`; `limits` are other ones than those of production."""
    pool = await open_async_pool(url, size=6)
    identity = Identity(ISSUER, f"{ISSUER}/fhir", SigningKeys(seal or Seal(bytes(32))))
    remote = RemoteKeys(allow_private=allow_private)
    provider = Provider(
        pool,
        TokenGate(pool, url, Throttle(pool, changed_rules(limits))),
        identity,
        remote,
        open_registration=open_registration,
    )
    served = [*routes(provider), Route(AUTHORIZE, elsewhere)]
    served += well_known.routes(provider, served)
    transport = httpx.ASGITransport(Starlette(routes=served), client=(ADDRESS, 5))
    try:
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
            yield client
    finally:
        await pool.close()


async def elsewhere(request: Request) -> Response:
    """The page that asks people; it is tested with the pages."""
    raise AssertionError(request.url)


def app(pool: Pool, **values: Any) -> tuple[str, str | None]:
    """A registered app: public, unless `auth` says otherwise."""
    new = {"name": "App", "scope": f"{SCOPE} online_access", "redirect_uris": (CALLBACK,)}
    return transaction(pool, lambda: create_client(NewClient(**new | values)))


def patient_account(pool: Pool, username: str = "ada") -> None:
    """An account of the patient p1."""
    user(pool, username, role="patient", fhir_user="Patient/p1")


def code(pool: Pool, client: str, **values: Any) -> str:
    """A code for what the account `ada` allowed the client."""
    grant = {
        "client": client, "username": "ada", "scope": SCOPE, "redirect_uri": CALLBACK, "code_challenge": CHALLENGE,
        "auth_time": 1_700_000_000, "patient": "p1", "nonce": "n-1",
    }  # fmt: skip
    return transaction(pool, lambda: issue_code(msgspec.convert(grant | values, Grant)))


def exchange(client: str | None, value: str, **fields: str) -> dict[str, str]:
    """The form that redeems a code."""
    form = {"grant_type": "authorization_code", "code": value, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return form | ({"client_id": client} if client else {}) | fields


def refreshing(token: str, **fields: str) -> dict[str, str]:
    """The form that exchanges a refresh token."""
    return {"grant_type": "refresh_token", "refresh_token": token} | fields


def key_pair(alg: str = "ES384", kid: str = "k1") -> RSAKey | ECKey:
    """A private key for assertions."""
    if alg == "RS384":
        return RSAKey.generate_key(2048, {"kid": kid})
    return ECKey.generate_key("P-384", {"kid": kid})


def public(*keys: RSAKey | ECKey) -> str:
    """Their public halves as a JWK set."""
    return msgspec.json.encode(KeySet(list(keys)).as_dict(private=False)).decode()


def assertion(key: Key, client: str, *, alg: str = "ES384", header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A client assertion; a claim that is None is left out."""
    stated = {
        "iss": client, "sub": client, "aud": f"{ISSUER}/oauth/token", "exp": int(time.time()) + 240,
        "jti": str(time.perf_counter_ns()),
    } | claims  # fmt: skip
    headers = {"alg": alg, "kid": "k1", "typ": "JWT"} | (header or {})
    kept = {name: value for name, value in stated.items() if value is not None}
    return jwt.encode({name: value for name, value in headers.items() if value is not None}, kept, key, [alg])


def proving(signed: str, **fields: str) -> dict[str, str]:
    """The form of a backend service."""
    form = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_assertion_type": TYPE}
    return form | {"client_assertion": signed} | fields
