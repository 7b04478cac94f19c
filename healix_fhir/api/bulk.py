"""The addresses of bulk jobs: how far one is, calling it off, and its files.

`GET /bulk/[job]` answers 202 while a job is under way, then its manifest; `DELETE` there calls it off or lets its files
go. `GET /bulk/[job]/[file]` sends a file as it is read. A job answers the client and the person who began it, anybody
else as if it were not there.

Spec: HL7 Bulk Data Access 2.0.0 export.html#bulk-data-status-request, #bulk-data-output-file-request
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import format_datetime

import msgspec
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from healix_fhir.api.call import header_map
from healix_fhir.api.outcome import refusal
from healix_fhir.bulk import job as jobs
from healix_fhir.bulk.asked import PARQUET
from healix_fhir.bulk.job import REPORT, UPLOAD, File, Job, State
from healix_fhir.bulk.links import PATH, Links
from healix_fhir.bulk.manifest import manifest
from healix_fhir.bulk.reach import check_covers
from healix_fhir.bulk.store import FileStore, making
from healix_fhir.kernel import ids
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError, forbidden, too_large
from healix_fhir.kernel.refusal import as_refusal
from smart_auth.access import AccessContext
from smart_auth.challenge import Gate
from smart_auth.denial import Denial
from smart_auth.scope import Context, Permission

NO_STORE = {"cache-control": "no-store"}
FHIR_JSON = "application/fhir+json"
WORDS = {"bulk.job": "bulk-job", "bulk.file": "bulk-file", "bulk.upload": "bulk-upload"}
NDJSON = ("application/fhir+ndjson", "application/ndjson", "application/x-ndjson")


@dataclass(frozen=True, slots=True)
class BulkEdge:
    """What all addresses share. Files lie in `store`, their links are made by `links`.

    Uploads have up to `most` bytes and are kept for `hours`.
    """

    pool: AsyncConnectionPool[AsyncConnection[Row]]
    gate: Gate
    store: FileStore
    links: Links
    most: int = 16 << 30
    hours: int = 24


Handler = Callable[["BulkEdge", Request, AccessContext | None], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class BulkAddress:
    """One address as an ASGI application: `handlers` by method.

    `signed`: a signature in the query may stand for a token; the handler gets no access context then.
    """

    name: str
    edge: BulkEdge
    handlers: Mapping[str, Handler]
    signed: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        headers, number = header_map(scope["headers"]), scope.get("healix.request", "")
        scope["healix.route"] = self.name
        request = Request(scope, receive)
        access: AccessContext | None = None
        try:
            if not (self.signed and self.edge.links.signed and "signature" in request.query_params):
                client = scope.get("client")
                access = await self.edge.gate.access(headers, client[0] if client else None, number)
            response = await self._handler(scope["method"])(self.edge, request, access)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - whatever fails is answered
            refused = as_refusal(error, number)
            if access is not None and refused.category in (Category.FORBIDDEN, Category.NOT_FOUND):
                entity = f"bulk/{request.path_params.get('job', 'uploads')[:64]}"
                await self.edge.gate.denials.denied(access.origin, [Denial("R", WORDS[self.name], entity)])
            answer = refusal(refused, headers, self._allow())
            response = Response(answer.body, answer.status, NO_STORE, FHIR_JSON)
            response.raw_headers += list(answer.headers)
        await response(scope, receive, send)

    def _handler(self, method: str) -> Handler:
        handler = self.handlers.get("GET" if method == "HEAD" else method)
        if handler is None:
            raise HealixError(Category.NOT_ALLOWED, f"{method[:16]} is not possible at this address")
        return handler

    def _allow(self) -> str:
        return ", ".join("GET, HEAD" if method == "GET" else method for method in self.handlers)


def routes(edge: BulkEdge) -> list[BaseRoute]:
    """The routes of one web process."""
    return [
        Route(f"{PATH}/uploads", BulkAddress("bulk.upload", edge, {"POST": upload})),
        Route(f"{PATH}/{{job}}", BulkAddress("bulk.job", edge, {"GET": status, "DELETE": cancel})),
        Route(f"{PATH}/{{job}}/{{file}}", BulkAddress("bulk.file", edge, {"GET": download}, signed=True)),
    ]


async def status(edge: BulkEdge, request: Request, access: AccessContext | None) -> Response:
    """How far a job is, or what came of it. Raises NotFound, Busy for who asks too often, and why a job failed."""
    assert access is not None
    job, files, seconds = await atransaction(edge.pool, lambda: _asked(access, request.path_params["job"]))
    if job.failure is not None:
        raise job.failure.error()
    if job.state == State.COMPLETED:
        assert job.expires is not None
        body = msgspec.json.encode(manifest(job, files, edge.links))
        kind = FHIR_JSON if job.kind == REPORT else "application/json"
        return Response(body, 200, NO_STORE | {"expires": format_datetime(job.expires)}, kind)
    if seconds is None:
        raise HealixError(Category.BUSY, "this job was asked for too often", retry_after=jobs.wait(job))
    progress = f"{job.state}: {job.done} resources{', ' if job.note else ''}{job.note}"
    return Response(None, 202, NO_STORE | {"x-progress": progress[:99], "retry-after": str(seconds)})


def _asked(access: AccessContext, id_: str) -> Work[tuple[Job, list[File], int | None]]:
    job = yield from jobs.find(access, id_)
    check_covers(access, job, _types(job))
    if job.state == State.COMPLETED:
        return job, (yield from jobs.files(id_)), None
    if job.failure is not None:
        return job, [], None
    return job, [], (yield from jobs.polled(job))


class _Typed(msgspec.Struct):
    """What of a job tells the types of which it has resources."""

    types: tuple[str, ...] = ()


def _types(job: Job) -> tuple[str, ...]:
    return msgspec.json.decode(job.asked, type=_Typed).types


async def cancel(edge: BulkEdge, request: Request, access: AccessContext | None) -> Response:
    """Call a job off, or let its files go. Raises NotFound."""
    assert access is not None
    await atransaction(edge.pool, lambda: _cancel(access, request.path_params["job"]))
    return Response(None, 202, NO_STORE)


def _cancel(access: AccessContext, id_: str) -> Work[None]:
    yield from jobs.cancel(access, id_)
    yield record([AuditRow(access.origin, "D", "bulk-job", entity=f"bulk/{id_}")])


async def upload(edge: BulkEdge, request: Request, access: AccessContext | None) -> Response:
    """Take NDJSON, gzip or not, for an import that names its address; of what is cut off nothing is kept.

    Raises Forbidden, UnsupportedMedia, TooLarge.
    """
    assert access is not None
    if not any(one.context is Context.SYSTEM and Permission.UPDATE in one.permissions for one in access.scopes):
        raise forbidden("an upload takes a token with a scope system/….u, as its import will")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in NDJSON or request.headers.get("content-encoding", "identity") not in ("identity", "gzip"):
        raise HealixError(Category.UNSUPPORTED_MEDIA, f"an upload is {NDJSON[0]}, or that in gzip")
    id_, size = ids.secret(), 0
    async with making(edge.store, f"{id_}/{jobs.UPLOADED}") as sink:
        async for piece in request.stream():
            size += len(piece)
            if size > edge.most:
                raise too_large(f"an upload has at most {edge.most >> 30} GB (HEALIX_MAX_STORE_GB)")
            await asyncio.to_thread(sink.write, piece)
    address = edge.links.status(id_)
    await atransaction(edge.pool, lambda: _uploaded(edge, access, id_, address, size))
    return Response(None, 201, NO_STORE | {"location": address})


def _uploaded(edge: BulkEdge, access: AccessContext, id_: str, address: str, size: int) -> Work[None]:
    yield from jobs.uploaded(id_, access, address, size, edge.hours)
    yield record([AuditRow(access.origin, "C", "bulk-upload", entity=f"bulk/{id_}")])


async def download(edge: BulkEdge, request: Request, access: AccessContext | None) -> Response:
    """Send a file. Raises NotFound where it is another's, or its time is over."""
    id_, name = request.path_params["job"], request.path_params["file"]
    signature = request.query_params.get("signature", "")
    client = request.client.host if request.client else None
    stranger = Origin(address=client, request=request.scope.get("healix.request"))
    file = await atransaction(edge.pool, lambda: _opened(edge.links, access, id_, name, signature, stranger))
    headers = NO_STORE | {"content-length": str(file.size)}
    kind = PARQUET if name.endswith(".parquet") else "application/fhir+ndjson"
    if request.method == "HEAD":
        return Response(None, 200, headers, kind)
    return StreamingResponse(_pieces(edge.store.read(file.key)), 200, headers, kind)


def _opened(
    links: Links, access: AccessContext | None, id_: str, name: str, signature: str, stranger: Origin
) -> Work[File]:
    """The file, its download on record."""
    if access is not None:
        yield from jobs.find(access, id_)
    job, file = yield from jobs.of_file(id_, name)
    if job.kind == UPLOAD:
        raise jobs.missing()  # what is uploaded is read by imports alone
    if access is not None:
        only = file.type if file.list == "output" else None
        check_covers(access, job, _types(job) if only is None else [only])
    elif not links.is_signed(job, name, signature) or (yield from jobs.revoked(id_)):
        raise jobs.missing()
    yield record([AuditRow(access.origin if access else stranger, "R", "bulk-file", entity=f"bulk/{id_}/{name}")])
    return file


async def _pieces(read: Iterator[bytes]) -> AsyncIterator[bytes]:
    """What is read, each piece in a thread."""
    while piece := await asyncio.to_thread(next, read, b""):
        yield piece
