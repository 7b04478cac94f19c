"""One address of the API as an ASGI application: the token is checked, the request read, its handler called, the
answer sent. Nothing below an address knows of HTTP's machinery, and nothing passes it without an `AccessContext`.

Spec: FHIR R4, hl7.org/fhir/R4/http.html; RFC 9110 9, 15.5.6
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from healix_fhir.api.body import read_body
from healix_fhir.api.call import Answer, Call, Headers, header_map, parameters
from healix_fhir.api.negotiation import CONTENT_TYPE, FORM, JSON_TYPES, answer_type, check_content, is_pretty
from healix_fhir.api.outcome import refusal
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError, unsupported
from healix_fhir.kernel.refusal import as_refusal
from smart_auth.access import AccessContext
from smart_auth.challenge import Gate

Handler = Callable[[Interactions, Call], Awaitable[Answer]]
WITH_BODY = ("POST", "PUT", "PATCH")
NO_CONTENT = (204, 304)
PUBLIC = AccessContext(scopes=frozenset())


@dataclass(frozen=True, slots=True)
class Edge:
    """What all addresses share: `max_body` is the largest body in bytes."""

    interactions: Interactions
    gate: Gate
    max_body: int


@dataclass(frozen=True, slots=True)
class Address:
    """What is done at one address.

    `handlers` by method, HEAD is answered like GET; `refused` names what R4 defines here and this server lacks.
    `form`: the body is a form of search parameters. `bodiless`: a body may be missing. `public`: no token is needed,
    and the handler gets an access context that opens nothing.
    """

    name: str
    edge: Edge
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    form: bool = False
    bodiless: bool = False
    public: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        headers = header_map(scope["headers"])
        request = scope.get("healix.request", "")
        scope["healix.route"] = self.name
        call = None
        try:
            call = await self._call(scope, receive, headers, request)
            answer = await self._handler(call.method)(self.edge.interactions, call)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - whatever fails is answered
            refused = as_refusal(error, request)
            if refused.category is Category.FORBIDDEN and call is not None:
                entity = "/".join(call.path.values())
                await self.edge.gate.denials.refused(call.access.origin, self.name, entity=entity or None)
            answer = refusal(refused, headers, self._allow())
        await _send(send, answer, call, head=scope["method"] == "HEAD")

    async def _call(self, scope: Scope, receive: Receive, headers: Headers, request: str) -> Call:
        client = scope.get("client")
        access = PUBLIC if self.public else await self.edge.gate.access(headers, client[0] if client else None, request)
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        self._handler(method)
        body = await self._body(receive, headers) if method in WITH_BODY else b""
        params = parameters(scope["query_string"])
        if self.form:
            params += parameters(body)
            body = b""
        accept = headers.get(b"accept")
        media_type = answer_type(
            accept.decode("latin-1") if accept is not None else None,
            next((value for name, value in params if name == "_format"), None) if params else None,
        )
        return Call(
            method, scope["path_params"], params, headers, access, media_type, bool(params) and is_pretty(params), body
        )

    async def _body(self, receive: Receive, headers: Headers) -> bytes:
        if self.bodiless and headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
            return b""
        content_type, encoding = headers.get(b"content-type"), headers.get(b"content-encoding")
        check_content(
            content_type.decode("latin-1") if content_type is not None else None,
            encoding.decode("latin-1") if encoding is not None else None,
            (FORM,) if self.form else JSON_TYPES,
        )
        return await read_body(receive, headers, self.edge.max_body)

    def _handler(self, method: str) -> Handler:
        handler = self.handlers.get(method)
        if handler is not None:
            return handler
        if method in self.refused:
            raise unsupported(f"{self.refused[method]} is not supported")
        if not self.handlers and self.refused:
            raise unsupported(f"{next(iter(self.refused.values()))} is not supported")
        if not self.handlers:
            raise HealixError(Category.NOT_FOUND, "there is nothing at this address")
        raise HealixError(Category.NOT_ALLOWED, f"{method[:16]} is not possible at this address")

    def _allow(self) -> str:
        return ", ".join(["GET, HEAD" if method == "GET" else method for method in self.handlers])


async def _send(send: Send, answer: Answer, call: Call | None, *, head: bool) -> None:
    body = answer.body
    headers = [(b"cache-control", b"no-store"), *answer.headers]
    if answer.status not in NO_CONTENT:
        if call is not None and call.pretty and body:
            body = msgspec.json.format(body, indent=2)
        if body:
            headers.append((b"content-type", call.media_type if call is not None else CONTENT_TYPE))
        headers.append((b"content-length", b"%d" % len(body)))
    start: Message = {"type": "http.response.start", "status": answer.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": b"" if head else body})
