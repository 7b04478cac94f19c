"""The revocation endpoint.

Spec: RFC 7009 2
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.kernel.database import aat_once, atransaction
from healix_fhir.kernel.quota import rate_limit
from smart_auth.api.edge import NO_STORE, Provider, calling_client, named_client, origin, read_form
from smart_auth.oauth.client_auth import UNKNOWN, Credentials
from smart_auth.oauth.limits import PUBLIC_REVOKE, REVOKE
from smart_auth.oauth.refusal import OAuthError, Reason
from smart_auth.oauth.revocation import give_back, holder


async def revocation(provider: Provider, request: Request) -> Response:
    """POST /oauth/revoke"""
    form = await read_form(request)
    token = form.get("token", "")
    if not token:
        raise OAuthError(Reason.INVALID_REQUEST, "token is missing")
    named = named_client(request, form)
    if named is None:  # the token tells whose it is; a confidential client must still prove itself
        client_id = await aat_once(provider.pool, holder(token))
        if client_id is None:
            raise OAuthError(Reason.INVALID_CLIENT, UNKNOWN)
        named = Credentials("none", client_id)
    client = await calling_client(provider, request, named)
    rules = PUBLIC_REVOKE if client.auth == "none" else REVOKE
    counted = await provider.gate.throttle.hit(rules, client=client.id, address=origin(request).address)
    await atransaction(provider.pool, lambda: give_back(client.id, token, origin(request)))
    return Response(headers=NO_STORE | rate_limit(counted.quotas))
