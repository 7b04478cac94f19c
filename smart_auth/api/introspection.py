"""The introspection endpoint: for confidential clients, and for callers with a system token.

Spec: RFC 7662 2.1
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.quota import rate_limit
from smart_auth.api.edge import NO_STORE, Provider, calling_client, named_client, origin, read_form
from smart_auth.oauth.client_auth import UNKNOWN
from smart_auth.oauth.introspection import introspect
from smart_auth.oauth.limits import INTROSPECT
from smart_auth.oauth.refusal import OAuthError, Reason
from smart_auth.scope import Context


async def introspection(provider: Provider, request: Request) -> Response:
    """POST /oauth/introspect"""
    form = await read_form(request)
    authorization = request.headers.get("authorization", "")
    if authorization[:7].lower() == "bearer ":
        asked = await _bearer(provider, request)
    else:
        named = named_client(request, form)
        if named is None or named.method == "none":
            raise OAuthError(Reason.INVALID_CLIENT, UNKNOWN)
        asked = origin(request, (await calling_client(provider, request, named)).id)
    token = form.get("token", "")
    if not token:
        raise OAuthError(Reason.INVALID_REQUEST, "token is missing")
    counted = await provider.gate.throttle.hit(INTROSPECT, client=asked.client)
    shown = await atransaction(provider.pool, lambda: introspect(token, provider.identity, asked))
    return JSONResponse(shown, headers=NO_STORE | rate_limit(counted.quotas))


async def _bearer(provider: Provider, request: Request) -> Origin:
    """Who asks with a token, which must be a system's."""
    asked = origin(request)
    try:
        access = await provider.gate.access(dict(request.scope["headers"]), asked.address, asked.request)
    except HealixError as error:
        if error.category is not Category.UNAUTHENTICATED:
            raise
        raise OAuthError(Reason.INVALID_TOKEN, error.message) from error
    request.state.asked = access.origin
    if not any(scope.context is Context.SYSTEM for scope in access.scopes):
        raise OAuthError(Reason.INSUFFICIENT_SCOPE, "introspection needs a token with system/ scopes")
    return access.origin
