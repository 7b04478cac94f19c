"""$get-ws-binding-token: what a web socket shows to be told the events of Subscriptions.

Spec: hl7.fhir.uv.subscriptions-backport 1.1.0, OperationDefinition-backport-subscription-get-ws-binding-token.html
"""

from __future__ import annotations

from datetime import datetime

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import forbidden, invalid
from healix_fhir.model.json import encode
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.invocation import Invocation
from healix_fhir.store.read import missing
from healix_fhir.subscription.binding import bind
from healix_fhir.subscription.channel import Kind
from healix_fhir.subscription.declared import socket_url
from healix_fhir.subscription.guide import GUIDE
from healix_fhir.subscription.known import TYPE, known
from smart_auth.access import AccessContext

MOST = 100
BINDING_TOKEN = own(
    "get-ws-binding-token",
    "A token by which a web socket binds itself to Subscriptions with the channel websocket, for ten minutes.",
    into("id", "id", "On the type, a Subscription; all that the caller sees where there is none", most="*"),
    out("token", "string", "What the socket sends as `bind-with-token`"),
    out("expiration", "dateTime", "Until when it may bind"),
    out("subscription", "string", "A Subscription that it is for", least=0, most="*"),
    out("websocket-url", "url", "Where the socket connects"),
    levels=("type", "instance"),
    resource=(TYPE,),
    url=f"{GUIDE}/OperationDefinition/backport-subscription-get-ws-binding-token",
)


async def binding_token(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The Parameters. Raises NotFound for what the caller does not see, Invalid for another channel."""
    token = access.origin.token
    if token is None:
        raise forbidden("$get-ws-binding-token is for the bearer of an access token")
    ids = [invocation.id] if invocation.id is not None else invocation.given.texts("id")
    made, expires, bound = await atransaction(interactions.pool, lambda: _bind(access, token, ids))
    base = interactions.bases[0].removesuffix("/fhir")
    parameters = [
        {"name": "token", "valueString": made},
        {"name": "expiration", "valueDateTime": instant(expires)},
        *({"name": "subscription", "valueString": id_} for id_ in bound),
        {"name": "websocket-url", "valueUrl": socket_url(base)},
    ]
    return encode({"resourceType": "Parameters", "parameter": parameters})


def _bind(access: AccessContext, token: bytes, ids: list[str]) -> Work[tuple[str, datetime, list[str]]]:
    found = yield from known(access, ids or None)
    seen = {one.id: one for one in found}
    for id_ in ids:
        if id_ not in seen:
            raise missing(TYPE, id_)
        if seen[id_].channel != Kind.WEBSOCKET:
            raise invalid(f"{TYPE}/{id_} has no channel of the type websocket that is in service")
    bound = list(dict.fromkeys(ids)) or [one.id for one in found if one.channel == Kind.WEBSOCKET]
    if not 0 < len(bound) <= MOST:
        raise invalid(f"a token is for 1 to {MOST} Subscriptions with the channel websocket; name them by id")
    made, expires = yield from bind(bound, token)
    yield record([AuditRow(access.origin, "E", "$get-ws-binding-token", entity=f"{TYPE}/{id_}") for id_ in bound])
    return made, expires, bound
