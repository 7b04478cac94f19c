"""The token endpoint.

Spec: RFC 6749 3.2; SMART App Launch 2.2 app-launch.html#obtain-access-token, backend-services.html
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Work, aat_once, atransaction
from healix_fhir.kernel.quota import rate_limit
from smart_auth.api.edge import NO_STORE, Provider, calling_client, named_client, origin, read_form
from smart_auth.oauth import pairing
from smart_auth.oauth.backend import credentials
from smart_auth.oauth.client_auth import UNKNOWN, Credentials
from smart_auth.oauth.clients import CODE, CREDENTIALS, GRANTS, REFRESH, Client, still_open
from smart_auth.oauth.limits import PAIRING, PUBLIC_TOKEN, TOKEN
from smart_auth.oauth.redeem import redeem
from smart_auth.oauth.refresh import owner, refresh
from smart_auth.oauth.refusal import OAuthError, Reason
from smart_auth.oauth.throttle import Hit
from smart_auth.oauth.tokens import TokenAnswer


async def token(provider: Provider, request: Request) -> Response:
    """POST /oauth/token"""
    form = await read_form(request)
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise OAuthError(Reason.INVALID_REQUEST, "grant_type is missing")
    if grant_type == pairing.GRANT:
        return await _paired(provider, request, form)
    if grant_type not in GRANTS:
        raise OAuthError(Reason.UNSUPPORTED_GRANT_TYPE, f"a grant_type is one of {', '.join(GRANTS)}")
    named = named_client(request, form)
    if named is None:
        named = await _public(provider, grant_type, form)
    client = await calling_client(provider, request, named)
    asked = origin(request, client.id)
    rules = PUBLIC_TOKEN if client.auth == "none" else TOKEN
    counted = await provider.gate.throttle.hit(rules, client=client.id, address=asked.address)
    made = await atransaction(provider.pool, lambda: _exchange(grant_type, client, form, provider, asked))
    if isinstance(made, OAuthError):
        raise made
    return _answer(made, counted)


async def _paired(provider: Provider, request: Request, form: Mapping[str, str]) -> Response:
    """A device's token for a code: no client proves anything here, so that wrong codes of an address are few."""
    asked = origin(request)
    counted = await provider.gate.throttle.hit(PAIRING, address=asked.address)
    made = await atransaction(provider.pool, lambda: pairing.exchange(form, asked, counted))
    if isinstance(made, OAuthError):
        raise made
    return _answer(made, counted)


def _answer(made: TokenAnswer, counted: Hit) -> Response:
    headers = NO_STORE | rate_limit(counted.quotas)
    return Response(msgspec.json.encode(made), media_type="application/json", headers=headers)


async def _public(provider: Provider, grant_type: str, form: Mapping[str, str]) -> Credentials:
    """The client of a request that names none: the refresh token says whose it is; it must be a public client's."""
    if grant_type == REFRESH and "refresh_token" in form:
        client_id = await aat_once(provider.pool, owner(form["refresh_token"]))
        if client_id is None:
            raise OAuthError(Reason.INVALID_GRANT, "the refresh token is unknown, expired, revoked or used")
        return Credentials("none", client_id)
    raise OAuthError(Reason.INVALID_CLIENT, UNKNOWN)


def _exchange(
    grant_type: str, client: Client, form: Mapping[str, str], provider: Provider, asked: Origin
) -> Work[TokenAnswer | OAuthError]:
    if not (yield from still_open(client)):
        return OAuthError(Reason.INVALID_CLIENT, UNKNOWN)
    if grant_type == CODE:
        return (yield from redeem(client, form, provider.identity, asked))
    if grant_type == CREDENTIALS:
        return (yield from credentials(client, form, asked, provider.gate.conditions))
    return (yield from refresh(client, form, provider.identity, asked, provider.gate.conditions))
