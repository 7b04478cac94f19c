"""Apps that register themselves: with an invitation that is good once, or without where the operator allows it.

What opens everybody's records is not for the asking: `system/` scopes are registered by the operator only.

Spec: RFC 7591 2, 3
"""

from __future__ import annotations

from typing import Any

import msgspec

from healix_fhir.kernel import ids
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.oauth.clients import Client, NewClient, create_client, find_client
from smart_auth.oauth.refusal import OAuthError, Reason
from smart_auth.queries import Conditions
from smart_auth.scope import Context, parse
from smart_auth.store import digest, revoke

INVITED = "healix-registration"
"""The client that initial access tokens belong to; they open nothing else."""
SCOPE = "openid fhirUser launch launch/patient offline_access patient/*.rs"
"""What an app is registered for that does not say."""


class Metadata(msgspec.Struct, frozen=True):
    """What an app says of itself; members that are not known here are left alone, as the RFC wants."""

    client_name: str = ""
    scope: str = SCOPE
    redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ()
    response_types: tuple[str, ...] = ("code",)
    token_endpoint_auth_method: str = "client_secret_basic"  # noqa: S105 - the RFC's default
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    initiate_login_uri: str | None = None
    post_logout_redirect_uris: tuple[str, ...] = ()


def invite(ttl: int, origin: Origin) -> Work[str]:
    """An initial access token, good for one registration within `ttl` seconds."""
    token = ids.secret()
    yield Statement(
        """INSERT INTO access_token (hash, client, scope, expires)
           VALUES (%s, %s, '', now() + make_interval(secs => %s))""",
        (digest(token), INVITED, ttl),
    )
    yield record([AuditRow(origin, "C", "invitation")])
    return token


def register(
    body: bytes, invitation: str | None, *, is_open: bool, origin: Origin, conditions: Conditions
) -> Work[dict[str, Any]]:
    """Register an app and return what it is told. Raises OAuthError."""
    if invitation is not None:
        yield from _spend(invitation)
    elif not is_open:
        raise OAuthError(Reason.INVALID_TOKEN, "registration needs an initial access token; ask the server's operator")
    new = _read(body)
    try:
        id_, secret = yield from create_client(new, conditions=conditions, origin=origin)
    except HealixError as error:
        raise _of_registration(error) from error
    known = yield from find_client(id_)
    assert known is not None
    return _told(known, secret)


def _spend(invitation: str) -> Work[None]:
    rows = yield Statement(
        """SELECT true FROM access_token WHERE hash = %s AND client = %s AND NOT revoked AND expires > now()
           FOR UPDATE""",
        (digest(invitation), INVITED),
    )
    if not rows or not (yield from revoke(invitation)):
        raise OAuthError(Reason.INVALID_TOKEN, "the initial access token is unknown, expired or used")


def _read(body: bytes) -> NewClient:
    try:
        stated = msgspec.json.decode(body, type=Metadata)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise OAuthError(Reason.INVALID_CLIENT_METADATA, f"the metadata cannot be read: {error}"[:200]) from error
    if set(stated.response_types) - {"code"}:
        raise OAuthError(Reason.INVALID_CLIENT_METADATA, "the only response_type is code")
    try:
        scopes = parse(stated.scope)
    except HealixError as error:
        raise OAuthError(Reason.INVALID_CLIENT_METADATA, error.message) from error
    if any(one.context is Context.SYSTEM for one in scopes) or "client_credentials" in stated.grant_types:
        raise OAuthError(Reason.INVALID_CLIENT_METADATA, "services with system/ scopes are registered by the operator")
    return NewClient(
        name=stated.client_name,
        scope=stated.scope,
        auth=stated.token_endpoint_auth_method,
        redirect_uris=stated.redirect_uris,
        grants=stated.grant_types or ("authorization_code", "refresh_token"),
        jwks=msgspec.json.encode(stated.jwks).decode() if stated.jwks is not None else None,
        jwks_uri=stated.jwks_uri,
        launch_uri=stated.initiate_login_uri,
        post_logout_redirect_uris=stated.post_logout_redirect_uris,
    )


def _of_registration(error: HealixError) -> HealixError:
    if error.category is not Category.INVALID:
        return error
    about_address = "redirect URI" in error.message
    return OAuthError(Reason.INVALID_REDIRECT_URI if about_address else Reason.INVALID_CLIENT_METADATA, error.message)


def _told(client: Client, secret: str | None) -> dict[str, Any]:
    """The answer to a registration. Spec: RFC 7591 3.2.1"""
    shown: dict[str, Any] = {
        "client_id": client.id,
        "client_name": client.name,
        "scope": client.scope,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": list(client.grants),
        "response_types": ["code"],
        "token_endpoint_auth_method": client.auth,
    }
    if secret is not None:
        shown |= {"client_secret": secret, "client_secret_expires_at": 0}
    if client.jwks is not None:
        shown["jwks"] = msgspec.json.decode(client.jwks)
    if client.jwks_uri is not None:
        shown["jwks_uri"] = client.jwks_uri
    if client.launch_uri is not None:
        shown["initiate_login_uri"] = client.launch_uri
    if client.post_logout_redirect_uris:
        shown["post_logout_redirect_uris"] = list(client.post_logout_redirect_uris)
    return shown
