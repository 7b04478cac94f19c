"""What every address of the DICOMweb edge shares: the token, refusals as answers, and the services behind.

Spec: PS3.18 8.5, 8.6 (2024d); RFC 6750 3
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dicomweb.api.denial import denials
from dicomweb.api.remembered import CAPACITY, LISTS, SEARCHES, Asked, Kept, Listed, Search
from dicomweb.api.unsupported import told
from dicomweb.archive.blobs import Archive
from dicomweb.status import HTTP
from dicomweb.study.deposits import Deposits
from dicomweb.study.query import Query
from dicomweb.study.reader import Reader
from dicomweb.study.receive import Receiver
from dicomweb.workitem.create import PatientFinder
from healix_fhir.kernel.database import Row, Work, aat_once
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.memory import Memory
from healix_fhir.kernel.refusal import as_refusal
from healix_fhir.kernel.standby import Standby
from smart_auth.access import AccessContext
from smart_auth.challenge import Gate, challenge

T = TypeVar("T")
BASE_PATH = b"/dicomweb"
RETRIEVED = "wado."
"""How the names of the addresses begin that resources are retrieved from."""
PICTURES = 32 << 20
"""Bytes of pictures that a process remembers."""


@dataclass(frozen=True, slots=True)
class Edge:
    """The services of one web process. `base` is the DICOMweb base URL without a slash at the end; `max_request` the
    largest STOW-RS request in bytes; `find_patient` knows whom a PatientID means; `reader` reads single instances;
    `deposits` store what was received; `pictures` were drawn before, by their
    tags, `documents` and `lists` are metadata and lists that were sent before, `searches` those that were read before.
    Searches and metadata are looked up on the `standby` where there is one.
    """

    pool: AsyncConnectionPool[AsyncConnection[Row]]
    archive: Archive
    receiver: Receiver
    gate: Gate
    base: str
    max_request: int
    find_patient: PatientFinder
    reader: Reader
    deposits: Deposits
    pictures: Memory[str, bytes] = field(default_factory=lambda: Memory(PICTURES))
    documents: Memory[Asked, Kept] = field(default_factory=lambda: Memory(CAPACITY))
    lists: Memory[Listed, Kept] = field(default_factory=lambda: Memory(LISTS))
    searches: Memory[Search, tuple[str, Query]] = field(default_factory=lambda: Memory(SEARCHES))
    standby: Standby | None = None

    async def looked_up(self, make: Callable[[], Work[T]], *, aside: bool = False) -> T:
        """The result of a use case that looks up much and writes nothing but audit rows, each statement by itself."""
        if self.standby is not None and (done := await self.standby.read(make, aside=aside)) is not None:
            return done.result
        return await aat_once(self.pool, make(), aside=aside)


Handler = Callable[[Edge, Request, AccessContext], Awaitable[Response]]
PUBLIC = AccessContext(scopes=frozenset())


@dataclass(frozen=True, slots=True)
class Address:
    """One address as an ASGI application: `handlers` by method; HEAD is answered like GET, without the body.

    `public`: no token is needed, and the handler gets an access context that opens nothing.
    """

    name: str
    edge: Edge
    handlers: Mapping[str, Handler]
    public: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        scope["healix.route"] = self.name
        number = scope.get("healix.request", "")
        request = Request(scope, receive)
        headers = dict(scope["headers"])
        access = None
        try:
            client = scope.get("client")
            if self.public:
                access = PUBLIC
            else:
                access = await self.edge.gate.access(headers, client[0] if client else None, number)
            answered = await self._handler(scope["method"])(self.edge, request, access)
            response = self._located(scope, told(request, answered, self.edge.base))
        except Exception as error:  # noqa: BLE001 - whatever fails is answered
            refused = as_refusal(error, number)
            if access is not None and not self.public:
                denied = tuple(denials(access, refused, self.name, request))
                await self.edge.gate.denials.denied(access.origin, denied)
            response = refusal(refused, headers, self._allow())
        if scope["method"] == "HEAD":
            response = _without_body(response)
        await response(scope, receive, send)

    def _handler(self, method: str) -> Handler:
        handler = self.handlers.get("GET" if method == "HEAD" else method)
        if not self.handlers:
            raise HealixError(Category.NOT_FOUND, "there is nothing at this address")
        if handler is None:
            raise HealixError(Category.NOT_ALLOWED, f"{method[:16]} is not possible at this address")
        return handler

    def _located(self, scope: Scope, response: Response) -> Response:
        """The answer with the address of what it holds; what a search finds is no resource.

        Spec: PS3.18 Table 8.4.2-1 (2024d), RFC 9110 8.7, 15.4.5
        """
        if (
            self.name.startswith(RETRIEVED)
            and scope["method"] in ("GET", "HEAD")
            and response.status_code in (200, 206, 304)
        ):
            below = scope["raw_path"].removeprefix(BASE_PATH)
            query = b"?" + scope["query_string"] if scope["query_string"] else b""
            response.raw_headers.append((b"content-location", self.edge.base.encode() + below + query))
        return response

    def _allow(self) -> str:
        return ", ".join("GET, HEAD" if method == "GET" else method for method in self.handlers)


def _without_body(response: Response) -> Response:
    bare = Response(None, response.status_code)
    bare.raw_headers = response.raw_headers
    return bare


def refusal(error: HealixError, headers: Mapping[bytes, bytes], allow: str) -> Response:
    """The answer to a refused request: its status and the reasons as JSON."""
    body = {"error": error.message, "issues": [issue.message for issue in error.issues]}
    extra = {"Cache-Control": "no-store"} | error.waiting
    if (wanted := challenge(error.category, headers)) is not None:
        extra["WWW-Authenticate"] = wanted.decode()
    if error.category is Category.NOT_ALLOWED:
        extra["Allow"] = allow
    return Response(msgspec.json.encode(body), HTTP[error.category], extra, "application/json")
