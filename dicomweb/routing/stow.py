"""Sending instances to another DICOMweb server: STOW-RS through the guard against internal addresses.

Each request says through which servers its instances came (`Via`), and so does this one's: nothing is sent to a server
that it came through, or further than `HOPS` servers.

Spec: PS3.18 10.5 (2024d), RFC 9110 7.6.3
"""

from __future__ import annotations

import http.client
import secrets
import ssl
from collections.abc import Iterator, Sequence

import msgspec

from dicomweb.archive.blobs import Archive, is_whole
from dicomweb.errand.work import AwayError, RefusedError
from dicomweb.routing.outgoing import Outgoing
from dicomweb.routing.rules import Route
from dicomweb.status import Reason
from healix_fhir.kernel.endpoint import Endpoint, check_endpoint, resolve
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.pinned import pinned

HOPS = 8
WEIGHT = 64 << 20
"""Bytes of instances from which on a request is full; a larger instance goes alone."""
ANSWER = 120.0
"""Seconds that the server may take for its answer, and for any piece of a request."""
SLOWEST = 256 << 10
"""Bytes a second that a request must make."""
LONGEST_ANSWER = 8 << 20
TAKEN, LATER = (200, 202, 409), (429, 500, 502, 503, 504, 507)
"""Statuses whose answers say what became of each instance, and those after which all are sent again later."""
OUT_OF_RESOURCES = 0xA700
FAILED_SOP, FAILURE_REASON, SOP_INSTANCE = "00081198", "00081197", "00081155"


class UnreadableError(Exception):
    """A file cannot be read in the middle of a request, which ends with it."""


def authority(url: str) -> str:
    """The name by which servers know each other in `Via`: host and port."""
    endpoint = check_endpoint(url, allow_private=True)
    return f"{endpoint.host}:{endpoint.port}"


def may_go(one: Outgoing, receiver: str) -> bool:
    """Whether an instance has not come through the receiver, nor through too many servers."""
    return receiver not in one.via and len(one.via) < HOPS


def packets(instances: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    """The instances in groups for one request each: those of one way here, up to `WEIGHT`."""
    group: list[Outgoing] = []
    weight = 0
    for one in instances:
        if group and (one.via != group[0].via or weight + one.instance.size > WEIGHT):
            yield group
            group, weight = [], 0
        group.append(one)
        weight += one.instance.size
    if group:
        yield group


def store(archive: Archive, route: Route, group: Sequence[Outgoing], own: str) -> dict[str, int]:
    """Send a group with one request; the reasons of those that were refused, or are lost, by SOP Instance UID.

    Raises AwayError where they may be taken later, RefusedError.
    """
    left, lost = list(group), dict[str, int]()
    while left:
        try:
            return lost | _store(archive, route, left, own)
        except UnreadableError as error:
            gone = [one for one in left if not _is_whole(archive, one)]
            if not gone:
                raise RefusedError("the archive of this server cannot be read") from error
            lost |= {one.instance.instance: Reason.PROCESSING_FAILURE for one in gone}
            left = [one for one in left if one not in gone]
    return lost


def _is_whole(archive: Archive, one: Outgoing) -> bool:
    try:
        return is_whole(archive, one.instance.key, one.instance.size)
    except HealixError as error:
        raise RefusedError(error.message) from error


def _store(archive: Archive, route: Route, group: Sequence[Outgoing], own: str) -> dict[str, int]:
    try:
        endpoint = check_endpoint(route.url or "", allow_private=route.allow_private)
        address = resolve(endpoint.host, endpoint.port, allow_private=route.allow_private)
        status, body = _exchange(endpoint, address, route, group, archive, own)
    except HealixError as error:  # the guard does not let it go there
        raise RefusedError(error.message) from error
    except ssl.SSLCertVerificationError as error:
        raise RefusedError("the server's certificate is not valid") from error
    except TimeoutError as error:
        raise AwayError("the server did not answer in time") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise AwayError("the server cannot be reached") from error
    if status in LATER:
        raise AwayError(f"the server answers with the status {status}")
    if status not in TAKEN:
        raise RefusedError(f"the server answers with the status {status}")
    failed = refused(body)
    if status == 409 and not failed:
        raise RefusedError("the server answers with the status 409")
    if any(reason & 0xFF00 == OUT_OF_RESOURCES for reason in failed.values()):
        raise AwayError("the server is out of resources")
    return failed


def _exchange(
    endpoint: Endpoint, address: str, route: Route, group: Sequence[Outgoing], archive: Archive, own: str
) -> tuple[int, bytes]:
    boundary = secrets.token_hex(16)
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    tail = f"--{boundary}--\r\n".encode()
    length = sum(len(head) + one.instance.size + 2 for one in group) + len(tail)
    via = ", ".join(f"1.1 {name}" for name in (*group[0].via, own))
    headers = {
        "User-Agent": "Healix",
        "Connection": "close",
        "Accept": "application/dicom+json",
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Content-Length": str(length),
        "Via": via,
    }
    if route.token is not None:
        headers["Authorization"] = f"Bearer {route.token}"

    def body() -> Iterator[bytes]:
        for one in group:
            yield head
            yield from _file(archive, one)
            yield b"\r\n"
        yield tail

    query = f"?{endpoint.query}" if endpoint.query else ""
    with pinned(endpoint, address, deadline=2 * ANSWER + length / SLOWEST) as connection:
        connection.sock.settimeout(ANSWER)
        connection.request("POST", f"{endpoint.path}/studies{query}", body=body(), headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(LONGEST_ANSWER)


def _file(archive: Archive, one: Outgoing) -> Iterator[bytes]:
    """The file of an instance. Raises UnreadableError."""
    try:
        yield from archive.stream(one.instance.key, 0, one.instance.size)
    except HealixError as error:
        raise UnreadableError from error


class _Value(msgspec.Struct):
    values: list[object] = msgspec.field(name="Value", default_factory=list)


class _Failure(msgspec.Struct):
    instance: _Value = msgspec.field(name=SOP_INSTANCE, default_factory=_Value)
    reason: _Value = msgspec.field(name=FAILURE_REASON, default_factory=_Value)


class _Failures(msgspec.Struct):
    values: list[_Failure] = msgspec.field(name="Value", default_factory=list)


class _Answer(msgspec.Struct):
    failed: _Failures = msgspec.field(name=FAILED_SOP, default_factory=_Failures)


def refused(body: bytes) -> dict[str, int]:
    """The failed instances of a response, 0 for a reason that is not told. Raises RefusedError.

    Spec: PS3.18 Table I.1-1 (2024d)
    """
    if not body:
        return {}
    try:
        found = msgspec.json.decode(body, type=_Answer)
    except msgspec.DecodeError as error:
        raise RefusedError("the server's answer is not that of STOW-RS") from error
    failed = dict[str, int]()
    for one in found.failed.values:
        if not one.instance.values:
            raise RefusedError("the server does not say which instances failed")
        reason = one.reason.values[0] if one.reason.values else 0
        failed[str(one.instance.values[0])] = reason if isinstance(reason, int) else 0
    return failed
