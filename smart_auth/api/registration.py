"""The registration endpoint.

Spec: RFC 7591 3
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.quota import rate_limit
from smart_auth.api.edge import NO_STORE, Provider, origin, read_body
from smart_auth.oauth.limits import CLIENT_REGISTRATION, OPEN_REGISTRATION
from smart_auth.oauth.refusal import OAuthError, Reason
from smart_auth.oauth.registration import register


async def registration(provider: Provider, request: Request) -> Response:
    """POST /oauth/register"""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise OAuthError(Reason.INVALID_CLIENT_METADATA, "the metadata are sent as application/json")
    body = await read_body(request)
    authorization = request.headers.get("authorization")
    invitation = None
    if authorization is not None:
        scheme, _, invitation = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise OAuthError(Reason.INVALID_TOKEN, "an initial access token is sent as a bearer token")
    asked = origin(request)
    rules = CLIENT_REGISTRATION if invitation is not None or not provider.open_registration else OPEN_REGISTRATION
    counted = await provider.gate.throttle.hit(rules, address=asked.address)
    told = await atransaction(
        provider.pool,
        lambda: register(
            body,
            invitation,
            is_open=provider.open_registration,
            origin=asked,
            conditions=provider.gate.conditions,
        ),
    )
    return JSONResponse(told, 201, NO_STORE | rate_limit(counted.quotas))
