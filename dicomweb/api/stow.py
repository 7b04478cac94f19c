"""STOW-RS: store instances, streamed part by part.

Spec: PS3.18 10.5 and I.2 (2024d)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from dicomweb.api.accept import DICOM, DICOM_XML, MULTIPART, model_type
from dicomweb.api.edge import Edge
from dicomweb.api.multipart import Reader
from dicomweb.api.related import PRIVATE
from dicomweb.archive.aside import aside
from dicomweb.archive.spool import RETRY_AFTER
from dicomweb.dicomjson.xml import native_model
from dicomweb.status import Reason, reason
from dicomweb.study.receive import FileMeta, Incoming, Received, Receiver
from dicomweb.study.rows import audited
from dicomweb.study.store import Disposition, Outcome, adeposit
from dicomweb.uid import check_uid
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import aat_once, one
from healix_fhir.kernel.errors import Category, HealixError, invalid, too_large
from healix_fhir.kernel.media_types import parse_media_type
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

log = structlog.get_logger("dicomweb")

SERVICE = "STOW-RS"
BUFFER = 1 << 20
GROUP = 50
WEIGHT = 16 << 20
"""Bytes of metadata that wait for their rows, beside which the objects themselves are on the disk."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A part that was not received: why, and which instance it said it was, where that could be read."""

    error: HealixError
    meta: FileMeta | None = None

    @property
    def instance(self) -> str | None:
        """Its SOPInstanceUID."""
        return self.meta.sop_instance if self.meta is not None else None


class Intake:
    """Takes the parts of one request: each is received by itself, so a bad one does not hold up the others."""

    def __init__(self, receiver: Receiver, study: str | None) -> None:
        self._receiver = receiver
        self._study = study
        self._incoming: Incoming | None = None
        self.received: list[Received] = []
        self.outcomes: list[Outcome] = []
        self.failures: list[Failure] = []
        self.other_types = 0

    def begin(self, headers: Mapping[str, str]) -> None:
        """A part starts; one that is no DICOM file is passed over and reported."""
        if parse_media_type(headers.get("content-type", DICOM)).name != DICOM:
            self.other_types += 1
            self.failures.append(Failure(invalid(f"a part is not of type {DICOM}")))
            return
        self._incoming = self._receiver.begin()

    def data(self, piece: bytes | memoryview) -> None:
        """Some bytes of the part."""
        if self._incoming is not None:
            try:
                self._incoming.write(piece)
            except HealixError as error:
                self._refuse(error)

    def end(self) -> None:
        """The part is complete: parsed and durable, or refused with its reason."""
        if self._incoming is None:
            return
        try:
            received = self._incoming.finish()
        except HealixError as error:
            self._refuse(error)
            return
        if self._study is not None and received.study != self._study:
            self._receiver.archive.remove([received.key])
            self._refuse(HealixError(Category.UNPROCESSABLE, "the instance is of another study than the request"))
            return
        self._incoming = None
        self.received.append(received)

    @property
    def weight(self) -> int:
        """Bytes of metadata that wait for their rows."""
        return sum(len(one.header.metadata) for one in self.received)

    def take(self) -> list[Received]:
        """The objects that wait for their rows."""
        waiting, self.received = self.received, []
        return waiting

    def discard(self) -> None:
        """The request failed: drop what has no rows yet."""
        if self._incoming is not None:
            self._incoming.abort()
        self._receiver.archive.remove([one.key for one in self.take()])

    def _refuse(self, error: HealixError) -> None:
        assert self._incoming is not None
        self._incoming.abort()
        failure = Failure(error, self._incoming.meta)
        log.info("object refused", entity=failure.instance, reason=error.detail or error.message)
        self.failures.append(failure)
        self._incoming = None


async def store(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`POST /studies` and `POST /studies/{study}`."""
    access.require_whole("ImagingStudy", Permission.CREATE, "storing images")
    kind = model_type(request, single=True)
    study = request.path_params.get("study")
    if study is not None:
        check_uid(study, "StudyInstanceUID")
    intake = Intake(edge.receiver, study)
    reader = Reader(_boundary(request), intake)
    try:
        await _receive(edge, request, access, intake, reader)
    except BaseException:
        await asyncio.shield(aside(intake.discard))
        raise
    if intake.failures:
        await aat_once(edge.pool, one(record([_audit(access, study, intake.failures)])))
    return _response(edge.base, intake, study, kind)


def _audit(access: AccessContext, study: str | None, failures: Sequence[Failure]) -> AuditRow:
    """The audit trail's row for the parts that never reached the study store."""
    instances = audited([failure.instance or "an object without a UID" for failure in failures])
    return AuditRow(access.origin, "C", SERVICE, outcome=4, entity=study, query=instances)


def _boundary(request: Request) -> str:
    media = parse_media_type(request.headers.get("content-type") or "unknown/unknown")
    if media.name != MULTIPART or media.parameters.get("type", DICOM).lower() != DICOM:
        raise HealixError(Category.UNSUPPORTED_MEDIA, f'send {MULTIPART}; type="{DICOM}"')
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HealixError(Category.UNSUPPORTED_MEDIA, "compressed request bodies are not supported")
    return media.parameters.get("boundary", "")


async def _receive(edge: Edge, request: Request, access: AccessContext, intake: Intake, reader: Reader) -> None:
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
                if len(intake.received) >= GROUP or intake.weight >= WEIGHT:
                    intake.outcomes += await adeposit(edge.pool, edge.archive, access, intake.take(), SERVICE)
    except ClientDisconnect as error:
        raise invalid("the request ended before its body was complete", code="incomplete") from error
    await aside(_feed, reader, pending)
    reader.close()
    if intake.received:
        intake.outcomes += await adeposit(edge.pool, edge.archive, access, intake.take(), SERVICE)


def _feed(reader: Reader, chunks: Sequence[bytes]) -> None:
    for chunk in chunks:
        reader.feed(chunk)


def _response(base: str, intake: Intake, study: str | None, kind: str) -> Response:
    """The Store Instances Response Module. Spec: PS3.18 Tables 10.5.3-1 and I.2-1"""
    kept = [outcome for outcome in intake.outcomes if outcome.status is not Disposition.REFUSED]
    refused = [outcome for outcome in intake.outcomes if outcome.status is Disposition.REFUSED]
    if not kept and not refused and not intake.failures:
        raise invalid("the request holds no instance", code="required")
    if intake.other_types and not kept and intake.other_types == len(intake.failures) and not refused:
        raise HealixError(Category.UNSUPPORTED_MEDIA, f"the parts must be of type {DICOM}")
    body: dict[str, Any] = {"00081190": {"vr": "UR"}}
    studies = {outcome.study for outcome in kept} | ({study} if study is not None and kept else set())
    if len(studies) == 1:
        body["00081190"] = {"vr": "UR", "Value": [f"{base}/studies/{studies.pop()}"]}
    failed = [_refused(outcome) for outcome in refused]
    failed += [_failed(failure.meta, failure.error) for failure in intake.failures if failure.meta is not None]
    if failed:
        body["00081198"] = {"vr": "SQ", "Value": failed}
    if kept:
        body["00081199"] = {"vr": "SQ", "Value": [_referenced(base, outcome) for outcome in kept]}
    if others := [_why(reason(failure.error)) for failure in intake.failures if failure.meta is None]:
        body["0008119A"] = {"vr": "SQ", "Value": others}
    status, headers = _status(kept, intake, whole=not failed and not others)
    encoded = msgspec.json.encode(body)
    return Response(native_model(encoded) if kind == DICOM_XML else encoded, status, headers, kind)


def _status(kept: Sequence[Outcome], intake: Intake, *, whole: bool) -> tuple[int, dict[str, str]]:
    """200 all, 202 some, 409 none; 507 where there was no room, 503 where the same request may be taken later, for the
    archive was away.
    """
    if whole or kept:
        return 200 if whole else 202, PRIVATE
    causes = {failure.error.category: failure.error for failure in intake.failures}
    if Category.FULL in causes:
        return 507, PRIVATE
    if away := causes.get(Category.UNAVAILABLE):
        return 503, PRIVATE | {"Retry-After": str(away.retry_after or RETRY_AFTER)}
    return 409, PRIVATE


def _sop(sop_class: str, sop_instance: str) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [sop_class]},
        "00081155": {"vr": "UI", "Value": [sop_instance]},
    }


def _why(code: Reason) -> dict[str, Any]:
    return {"00081197": {"vr": "US", "Value": [int(code)]}}


def _referenced(base: str, outcome: Outcome) -> dict[str, Any]:
    url = f"{base}/studies/{outcome.study}/series/{outcome.series}/instances/{outcome.sop_instance}"
    return _sop(outcome.sop_class, outcome.sop_instance) | {"00081190": {"vr": "UR", "Value": [url]}}


def _refused(outcome: Outcome) -> dict[str, Any]:
    return _sop(outcome.sop_class, outcome.sop_instance) | _why(outcome.reason or Reason.PROCESSING_FAILURE)


def _failed(meta: FileMeta, error: HealixError) -> dict[str, Any]:
    return _sop(meta.sop_class, meta.sop_instance) | _why(reason(error))
