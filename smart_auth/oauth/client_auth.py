"""Which client calls, proven by the one method that it is registered with.

Spec: RFC 6749 2.3, 3.2.1; SMART App Launch 2.2 client-confidential-symmetric.html, client-confidential-asymmetric.html
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.kernel.database import Row, aat_once
from smart_auth.oauth import assertion
from smart_auth.oauth.clients import Client, find_client
from smart_auth.oauth.keysets import parse_keys
from smart_auth.oauth.refusal import OAuthError, Reason
from smart_auth.oauth.remote_keys import RemoteKeys
from smart_auth.store import digest

UNKNOWN = "the client is unknown, or does not prove who it is"
"""Told alike of unknown clients, wrong secrets and wrong methods."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says of its client. `method` is the way in which it says so."""

    method: str
    client_id: str
    secret: str = ""


def presented(authorization: str | None, form: Mapping[str, str]) -> Credentials | None:
    """The credentials of a request; None when it names no client. Raises OAuthError for two, or for broken ones."""
    ways = [
        name
        for name, given in (
            ("client_secret_basic", authorization is not None),
            ("client_secret_post", "client_secret" in form),
            ("private_key_jwt", "client_assertion" in form or "client_assertion_type" in form),
        )
        if given
    ]
    if len(ways) > 1:
        raise OAuthError(Reason.INVALID_REQUEST, "a client authenticates in one way only")
    client_id = form.get("client_id", "")
    if not ways:
        return Credentials("none", client_id) if client_id else None
    if ways[0] == "client_secret_basic":
        credentials = _basic(authorization or "")
    elif ways[0] == "client_secret_post":
        credentials = Credentials(ways[0], client_id, form["client_secret"])
    else:
        credentials = _assertion(form)
    if client_id not in ("", credentials.client_id):
        raise OAuthError(Reason.INVALID_CLIENT, "the client_id is not that of the client that authenticates")
    return credentials


async def authenticate(
    pool: AsyncConnectionPool[AsyncConnection[Row]],
    remote: RemoteKeys,
    credentials: Credentials,
    audiences: Collection[str],
) -> Client:
    """The client that calls. Raises OAuthError (invalid_client)."""
    client = await aat_once(pool, find_client(credentials.client_id))
    if client is None or client.auth != credentials.method:
        raise OAuthError(Reason.INVALID_CLIENT, UNKNOWN)
    if client.secret_hash is not None:
        if not hmac.compare_digest(digest(credentials.secret), client.secret_hash):
            raise OAuthError(Reason.INVALID_CLIENT, UNKNOWN)
    elif client.auth == "private_key_jwt":
        signed = credentials.secret
        if client.jwks is not None:
            keys = parse_keys(client.jwks)
        else:
            keys = await remote.keys(client.jwks_uri or "", assertion.key_id(signed))
        jti, exp = assertion.verified(signed, keys, client.id, audiences)
        await aat_once(pool, assertion.spend(client.id, jti, exp))
    return client


def _basic(authorization: str) -> Credentials:
    """The credentials of an Authorization header. Spec: RFC 6749 2.3.1, appendix B; RFC 7617 2"""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise OAuthError(Reason.INVALID_CLIENT, "clients authenticate with HTTP Basic, or in the form")
    try:
        client_id, separator, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError as error:
        raise OAuthError(Reason.INVALID_CLIENT, "the Authorization header is malformed") from error
    if not separator:
        raise OAuthError(Reason.INVALID_CLIENT, "the Authorization header is malformed")
    return Credentials("client_secret_basic", unquote_plus(client_id), unquote_plus(secret))


def _assertion(form: Mapping[str, str]) -> Credentials:
    if form.get("client_assertion_type") != assertion.TYPE or "client_assertion" not in form:
        raise OAuthError(
            Reason.INVALID_CLIENT, f"a client_assertion comes with the client_assertion_type {assertion.TYPE}"
        )
    signed = form["client_assertion"]
    return Credentials("private_key_jwt", assertion.subject(signed), signed)
