"""The local rules for other systems, as CDS Hooks services.

`GET /cds-services` lists them, to everybody. `POST /cds-services/[id]` is for the clients that an administrator trusts
(`HEALIX_CDS_CLIENTS`): each signs a token for the call with a key of its own, and no token is taken twice.

Spec: CDS Hooks 2.0, cds-hooks.hl7.org/2.0/#discovery, #trusting-cds-clients
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from healix_fhir.api.call import header_map
from healix_fhir.api.outcome import refusal
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError, not_found, too_large, unauthenticated
from healix_fhir.kernel.refusal import as_refusal
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.prescription.hook import SERVICES, cards, discovery
from smart_auth.api.bearer import TokenGate
from smart_auth.oauth.assertion import spend
from smart_auth.oauth.cds_client import issuer_of, key_of, verified
from smart_auth.oauth.limits import BEARER
from smart_auth.oauth.refusal import OAuthError
from smart_auth.oauth.remote_keys import RemoteKeys

PATH = "/cds-services"
LARGEST = 1 << 20
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class CdsEdge:
    """What the addresses share. `clients` are the key sets of those who are trusted, by issuer; `root` is ours."""

    pool: AsyncConnectionPool[AsyncConnection[Row]]
    gate: TokenGate
    keys: RemoteKeys
    clients: Mapping[str, str]
    root: str


def routes(edge: CdsEdge) -> list[BaseRoute]:
    """The routes of one web process."""
    return [Route(PATH, CdsAddress(edge)), Route(f"{PATH}/{{id}}", CdsAddress(edge))]


@dataclass(frozen=True, slots=True)
class CdsAddress:
    """The list, or one service, as an ASGI application."""

    edge: CdsEdge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        headers, number = header_map(scope["headers"]), scope.get("healix.request", "")
        request = Request(scope, receive)
        id_ = request.path_params.get("id")
        scope["healix.route"] = "cds.list" if id_ is None else "cds.service"
        allowed = "GET, HEAD" if id_ is None else "POST"
        try:
            _check_method(request.method, allowed)
            body = encode(discovery() if id_ is None else await self._asked(request, id_, headers))
            response = Response(body, media_type=JSON)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - whatever fails is answered
            answer = refusal(as_refusal(error, number), headers, allowed)
            response = Response(answer.body, answer.status, media_type="application/fhir+json")
            response.raw_headers += list(answer.headers)
        response.headers["Cache-Control"] = "no-store"
        await response(scope, receive, send)

    async def _asked(self, request: Request, id_: str, headers: Mapping[bytes, bytes]) -> dict[str, object]:
        """The cards of one service."""
        origin = await self._client(request, id_, headers)
        if id_ not in SERVICES:
            raise not_found(f"there is no service '{id_[:64]}'")
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != JSON.encode():
            raise HealixError(Category.UNSUPPORTED_MEDIA, f"a call is sent as {JSON}")
        asked = decode(await _body(request))
        return await atransaction(self.edge.pool, lambda: _answered(origin, id_, asked), aside=True)

    async def _client(self, request: Request, id_: str, headers: Mapping[bytes, bytes]) -> Origin:
        """Who calls. Raises Unauthenticated, after the refusal is audited."""
        address = request.client.host if request.client else None
        asked = Origin(address=address, request=request.scope.get("healix.request"))
        kind, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        try:
            if kind.lower() != "bearer":
                raise unauthenticated("a call needs a signed JSON Web Token: Authorization: Bearer …")
            issuer = issuer_of(token)
            if issuer not in self.edge.clients:
                raise unauthenticated("the token's issuer is not trusted here")
            keys = await self.edge.keys.keys(self.edge.clients[issuer], key_of(token))
            jti, exp = verified(token, keys, issuer, f"{self.edge.root}{PATH}/{id_}")
            await atransaction(self.edge.pool, lambda: spend(f"cds {issuer}", jti, exp))
        except HealixError as error:
            await self.edge.gate.denials.refused(asked, "token")
            await self.edge.gate.throttle.hit(BEARER, address=address)
            raise unauthenticated(error.message) if isinstance(error, OAuthError) else error from error
        return Origin(issuer, None, address, asked.request)


def _answered(origin: Origin, id_: str, asked: dict[str, object]) -> Work[dict[str, object]]:
    answer = yield from cards(id_, asked)
    yield record([AuditRow(origin, "E", "cds-service", entity=id_)])
    return answer


def _check_method(method: str, allowed: str) -> None:
    if method not in allowed.split(", "):
        raise HealixError(Category.NOT_ALLOWED, f"{method[:16]} is not possible at this address")


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise too_large(f"a call has at most {LARGEST} bytes")
    return body
