"""STOW-RS: store instances, streamed part by part.

Spec: PS3.18 10.5 and I.2 (2024d)
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from dicomweb.api.accept import DICOM, DICOM_JSON, DICOM_XML, MULTIPART, document_type
from dicomweb.api.decoding import Fed, Unpacked, coding
from dicomweb.api.edge import Edge
from dicomweb.api.instances import Instances
from dicomweb.api.intake import Failure, Intake
from dicomweb.api.metadata import Apart, next_group
from dicomweb.api.multipart import Reader, Single, Sink
from dicomweb.api.stored import response
from dicomweb.api.via import via
from dicomweb.archive.aside import aside
from dicomweb.study.rows import audited
from dicomweb.uid import check_uid
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import aat_once, one
from healix_fhir.kernel.errors import Category, HealixError, invalid, too_large
from healix_fhir.kernel.media_types import MediaType, parse_media_type
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

SERVICE = "STOW-RS"
BUFFER = 1 << 20
KINDS = (DICOM, DICOM_JSON, DICOM_XML)


async def store(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`POST /studies` and `POST /studies/{study}`."""
    access.require_whole("ImagingStudy", Permission.CREATE, "storing images")
    form = document_type(request)
    study = request.path_params.get("study")
    if study is not None:
        check_uid(study, "StudyInstanceUID")
    intake = Intake(edge.receiver, study, via(request.headers.getlist("via")))
    await taken(edge, request, access, intake, f"{edge.base}/studies/{study or ''}")
    return response(edge.base, intake, form)


async def taken(edge: Edge, request: Request, access: AccessContext, intake: Intake, base: str) -> None:
    """Take what a request brings into `intake`, and give it its rows; `base` is what relative addresses in metadata
    begin with.
    """
    media, sent = _sent(request)
    sink = Instances(intake) if sent == DICOM else Apart(intake, sent, base)
    try:
        reader = _reader(request, media, sink, edge.max_request)
        await _receive(edge, request, access, intake, reader, sink)
        await _deposit(edge, access, intake)
        if isinstance(sink, Apart):
            work = sink.put_together()
            while await next_group(work):
                await _deposit(edge, access, intake)
    except BaseException:
        await asyncio.shield(aside(sink.discard))
        raise
    if isinstance(sink, Apart):
        await asyncio.shield(aside(sink.discard))
    if intake.failures:
        await aat_once(edge.pool, one(record([_audit(access, intake.study, intake.failures)])))


def _reader(request: Request, media: MediaType, sink: Sink, most: int) -> Fed:
    reader: Fed
    if media.name == MULTIPART:
        reader = Reader(media.parameters.get("boundary", ""), sink)
    else:
        reader = Single(request.headers["content-type"], sink)
    packed = coding(request.headers.get("content-encoding", ""))
    return Unpacked(packed, reader, most) if packed else reader


def _sent(request: Request) -> tuple[MediaType, str]:
    """The media type of the body, and that of the objects or metadata in it. Raises UnsupportedMedia."""
    media = parse_media_type(request.headers.get("content-type") or "unknown/unknown")
    sent = media.parameters.get("type", DICOM).lower() if media.name == MULTIPART else media.name
    if sent not in KINDS:
        kinds = ", ".join(f'"{kind}"' for kind in KINDS)
        raise HealixError(Category.UNSUPPORTED_MEDIA, f"send {MULTIPART} with one of these as its type: {kinds}")
    coding(request.headers.get("content-encoding", ""))
    return media, sent


async def _receive(
    edge: Edge, request: Request, access: AccessContext, intake: Intake, reader: Fed, sink: Instances | Apart
) -> None:
    """Push the body through in pieces of about `BUFFER` bytes; files are written in a thread."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > edge.max_request:
        raise too_large(f"a request may have at most {edge.max_request >> 30} GB")
    pending: list[bytes] = []
    held = size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > edge.max_request:
                raise too_large(f"a request may have at most {edge.max_request >> 30} GB")
            pending.append(chunk)
            held += len(chunk)
            if held >= BUFFER:
                await aside(_feed, reader, pending)
                pending, held = [], 0
                if intake.is_full:
                    await _deposit(edge, access, intake)
    except ClientDisconnect as error:
        raise invalid("the request ended before its body was complete", code="incomplete") from error
    await aside(_end, reader, pending, sink)


async def _deposit(edge: Edge, access: AccessContext, intake: Intake) -> None:
    """Give what waits its rows."""
    if intake.received:
        deposit = intake.deposit or edge.deposits.store
        intake.settle(await deposit(access, intake.take()))


def _feed(reader: Fed, chunks: Sequence[bytes]) -> None:
    for chunk in chunks:
        reader.feed(chunk)


def _end(reader: Fed, chunks: Sequence[bytes], sink: Instances | Apart) -> None:
    """The last of the body: all of it in one turn of a thread, as a small object is no more than that."""
    _feed(reader, chunks)
    reader.close()
    if isinstance(sink, Instances):
        sink.settle()


def _audit(access: AccessContext, study: str | None, failures: Sequence[Failure]) -> AuditRow:
    """The audit trail's row for the parts that never reached the study store."""
    instances = audited([failure.instance or "an object without a UID" for failure in failures])
    return AuditRow(access.origin, "C", SERVICE, outcome=4, entity=study, query=instances)
