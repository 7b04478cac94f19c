"""One address of the API as an ASGI application: the token is checked, the request read, its handler called, the
answer sent. Nothing below an address knows of HTTP's machinery, and nothing passes it without an `AccessContext`.

Spec: FHIR R4, hl7.org/fhir/R4/http.html; RFC 9110 9, 15.5.6
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from healix_fhir.api.binary import BINARY, taken
from healix_fhir.api.body import read_body
from healix_fhir.api.call import Answer, Call, Headers, header, header_map
from healix_fhir.api.coding import check_coding, inflated
from healix_fhir.api.interaction import interaction
from healix_fhir.api.negotiation import (
    FHIR_JSON,
    FHIR_TYPES,
    FORM,
    PATCH_TYPES,
    XML_TYPES,
    body_type,
    call_format,
    error_format,
    is_pretty,
)
from healix_fhir.api.outcome import refusal
from healix_fhir.api.parameters import parameters
from healix_fhir.api.refused import check_parts, check_preferences
from healix_fhir.api.rendering import json_of_xml
from healix_fhir.api.response import render, respond
from healix_fhir.interaction.denial import denials
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError, unsupported
from healix_fhir.kernel.refusal import as_refusal
from smart_auth.access import AccessContext
from smart_auth.challenge import Gate
from smart_auth.denial import Denial
from smart_auth.research import check_opens_resources

Handler = Callable[[Interactions, Call], Awaitable[Answer]]
NOWHERE: Mapping[str, str] = MappingProxyType({})
WITH_BODY = ("POST", "PUT", "PATCH")
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
    and the handler gets an access context that opens nothing. `native`: a Binary is written and read as what it holds.
    `methods` tells which of the handlers' methods there are for a path, where that is not all of them; `later`, for
    which paths the answer may come later; `media`, which types a body may have there beside FHIR's.
    """

    name: str
    edge: Edge
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    form: bool = False
    bodiless: bool = False
    public: bool = False
    native: bool = False
    methods: Callable[[Mapping[str, str]], Collection[str]] | None = None
    later: Callable[[Mapping[str, str]], bool] | None = None
    media: Callable[[Mapping[str, str]], tuple[str, ...]] = lambda _: ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        headers = header_map(scope["headers"])
        request = scope.get("healix.request", "")
        scope["healix.route"] = self.name
        call: Call | None = None
        denied: tuple[Denial, ...] = ()
        try:
            call = await self._call(scope, receive, headers, request)
            check_opens_resources(call.access)
            answer = await self.handler(call.method, call.path)(self.edge.interactions, call)
            body = await render(answer, call.format, pretty=call.pretty)
            denied = answer.denials
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - whatever fails is answered
            refused = as_refusal(error, request)
            if call is not None:
                word, entity = interaction(self.name, call.method, call.path), "/".join(call.path.values())
                denied = tuple(denials(call.access, refused, word, entity))
            patches = ", ".join(PATCH_TYPES) if scope["method"] == "PATCH" else None
            answer = refusal(refused, headers, self._allow(scope["path_params"]), patches)
            wanted = call.format if call is not None else error_format(headers, scope["query_string"])
            body = await render(answer, wanted, pretty=call is not None and call.pretty)
        if denied and call is not None:
            await self.edge.gate.denials.denied(call.access.origin, denied)
        await respond(send, answer, body, headers, head=scope["method"] == "HEAD")

    async def _call(self, scope: Scope, receive: Receive, headers: Headers, request: str) -> Call:
        client = scope.get("client")
        access = PUBLIC if self.public else await self.edge.gate.access(headers, client[0] if client else None, request)
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        path = scope["path_params"]
        self.handler(method, path)
        if self.later is None or not self.later(path):
            check_preferences(headers)
        content_type, body = "", b""
        if method in WITH_BODY:
            content_type, body = await self._body(receive, headers, method, path)
        params = parameters(scope["query_string"])
        if self.form:
            params += parameters(body)
            body = b""
        elif params and method != "GET":
            check_parts(params)
        query = scope["query_string"]
        return Call(
            method,
            path,
            params,
            headers,
            access,
            error_format(headers, query) if self._holds_binary(path) else call_format(headers, params),
            bool(params) and is_pretty(params),
            body,
            content_type,
        )

    async def _body(
        self, receive: Receive, headers: Headers, method: str, path: Mapping[str, str]
    ) -> tuple[str, bytes]:
        """The media type of the body, and the body: XML, and what a Binary is to hold, turned to JSON."""
        if self.bodiless and headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
            return "", b""
        if method != "PATCH" and self._holds_binary(path):
            content = await self._content(receive, headers)
            return FHIR_JSON, await asyncio.to_thread(taken, content, headers, path.get("id"))
        allowed = (FORM,) if self.form else PATCH_TYPES if method == "PATCH" else FHIR_TYPES + self.media(path)
        content_type = body_type(header(headers, b"content-type"), allowed)
        body = await self._content(receive, headers)
        return content_type, await json_of_xml(body) if content_type in XML_TYPES else body

    async def _content(self, receive: Receive, headers: Headers) -> bytes:
        compressed = check_coding(header(headers, b"content-encoding"))
        body = await read_body(receive, headers, self.edge.max_body)
        return await inflated(body, self.edge.max_body) if compressed else body

    def _holds_binary(self, path: Mapping[str, str]) -> bool:
        return self.native and path.get("type") == BINARY

    def handler(self, method: str, path: Mapping[str, str] = NOWHERE) -> Handler:
        """What `method` does at `path`. Raises Unsupported by name, NotAllowed, or NotFound where no address is."""
        handler = self.handlers.get(method)
        if handler is not None and (self.methods is None or method in self.methods(path)):
            return handler
        if method == "OPTIONS" and self.handlers:
            return self._options
        if method in self.refused:
            raise unsupported(f"{self.refused[method]} is not supported")
        if not self.handlers and self.refused:
            raise unsupported(f"{next(iter(self.refused.values()))} is not supported")
        if not self.handlers:
            raise HealixError(Category.NOT_FOUND, "there is nothing at this address")
        raise HealixError(Category.NOT_ALLOWED, f"{method[:16]} is not possible at this address")

    async def _options(self, _interactions: Interactions, call: Call) -> Answer:
        """What is possible here (RFC 9110 9.3.7)."""
        return Answer(204, headers=((b"allow", self._allow(call.path).encode()),))

    def _allow(self, path: Mapping[str, str]) -> str:
        methods = [name for name in self.handlers if self.methods is None or name in self.methods(path)]
        return ", ".join([*("GET, HEAD" if name == "GET" else name for name in methods), "OPTIONS"])
