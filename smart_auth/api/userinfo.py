"""The userinfo endpoint.

Spec: OpenID Connect Core 1.0 5.3; RFC 6750 2.1, 2.2, 3
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from healix_fhir.kernel.database import atransaction
from smart_auth.api.edge import FORM, NO_STORE, Provider, origin, read_form
from smart_auth.oauth import userinfo as claims
from smart_auth.oauth.refusal import OAuthError, Reason


async def userinfo(provider: Provider, request: Request) -> Response:
    """GET and POST /oauth/userinfo, with the token in the header or, by POST, in the form."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
    elif request.headers.get("content-type", "").startswith(FORM):
        token = (await read_form(request)).get("access_token", "")
    else:
        token = ""
    if not token:
        raise OAuthError(Reason.INVALID_TOKEN, "an access token is needed: Authorization: Bearer …")
    asked = origin(request)
    told = await atransaction(provider.pool, lambda: claims.userinfo(token, provider.identity, asked))
    return JSONResponse(told, headers=NO_STORE)
