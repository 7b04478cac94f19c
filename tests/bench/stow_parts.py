"""Bodies of STOW-RS requests made while they are sent, whatever their size."""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Iterator
from typing import Any

from tests.bench.web_servers import Served
from tests.support.dicom import ct, uid

BOUNDARY = "healix-bench"
DICOM, JSON = "application/dicom", "application/dicom+json"
CLASS = "1.2.840.10008.5.1.4.1.1.7.3"
HEAD = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
NUMBER = 10_000_000
SIDE = 512
ELEMENT = b"\xe0\x7f\x10\x00OW\0\0"


def content_type(kind: str) -> str:
    """That of a request with parts of this type."""
    return f'multipart/related; type="{kind}"; boundary={BOUNDARY}'


class Images:
    """CT images of 526 kB of one new study, each with a UID of its own and otherwise alike."""

    def __init__(self, size: int = SIDE) -> None:
        self.study = uid(secrets.randbits(48))
        series = f"{self.study}.1"
        self._instance = f"{series}."
        first = f"{self._instance}{NUMBER}"
        file = ct(size=size, StudyInstanceUID=self.study, SeriesInstanceUID=series, SOPInstanceUID=first)
        self.series = series
        self._pieces = file.split(first.encode())
        self.size = len(file)

    def instance(self, number: int) -> str:
        """Its SOP Instance UID."""
        return f"{self._instance}{NUMBER + number}"

    def file(self, number: int) -> bytes:
        """The image of a number below ten million."""
        return self.instance(number).encode().join(self._pieces)


def many(images: Images, numbers: range) -> tuple[int, Iterator[bytes]]:
    """The length and the pieces of a request with one part for each number."""

    def pieces() -> Iterator[bytes]:
        for number in numbers:
            yield b"\r\n" + HEAD
            yield images.file(number)
        yield TAIL

    return len(numbers) * (len(HEAD) + 2 + images.size) + len(TAIL), pieces()


def huge(images: Images, size: int) -> tuple[int, Iterator[bytes]]:
    """The length and the pieces of a request with one image of many frames, `size` bytes of pixels (at most 4 GB)."""
    file = images.file(0)
    head = file[: file.index(ELEMENT)].replace(b"\x28\x00\x10\x00US", _frames(size) + b"\x28\x00\x10\x00US")
    chunk = file[-SIDE * SIDE * 2 :] * 2

    def pieces() -> Iterator[bytes]:
        yield HEAD + head + ELEMENT + size.to_bytes(4, "little")
        for _ in range(size // len(chunk)):
            yield chunk
        yield TAIL

    assert size % len(chunk) == 0
    return len(HEAD) + len(head) + len(ELEMENT) + 4 + size + len(TAIL), pieces()


def apart(images: Images, size: int) -> tuple[int, Iterator[bytes]]:
    """The same image as metadata in DICOM JSON and a part with its pixels."""
    series = f"{images.study}.1"
    uids = {"00080016": CLASS, "0020000D": images.study, "0020000E": series, "00080018": f"{series}.9"}
    model: dict[str, Any] = {tag: {"vr": "UI", "Value": [one]} for tag, one in uids.items()}
    numbers = {"00280002": 1, "00280010": SIDE, "00280011": SIDE, "00280100": 16, "00280101": 16, "00280102": 15}
    model |= {tag: {"vr": "US", "Value": [number]} for tag, number in (numbers | {"00280103": 0}).items()}
    model |= {
        "00080060": {"vr": "CS", "Value": ["OT"]},
        "00280004": {"vr": "CS", "Value": ["MONOCHROME2"]},
        "00280008": {"vr": "IS", "Value": [size // (SIDE * SIDE * 2)]},
        "7FE00010": {"vr": "OW", "BulkDataURI": "pixels"},
    }
    head = f"--{BOUNDARY}\r\nContent-Type: {JSON}\r\n\r\n".encode() + json.dumps([model]).encode() + b"\r\n"
    head += f"--{BOUNDARY}\r\nContent-Type: application/octet-stream\r\nContent-Location: pixels\r\n\r\n".encode()
    chunk = secrets.token_bytes(1 << 20)

    def pieces() -> Iterator[bytes]:
        yield head
        for _ in range(size // len(chunk)):
            yield chunk
        yield TAIL

    return len(head) + size + len(TAIL), pieces()


def _frames(size: int) -> bytes:
    """NumberOfFrames as an element."""
    number = str(size // (SIDE * SIDE * 2)).encode()
    number += b" " * (len(number) % 2)
    return b"\x28\x00\x08\x00IS" + len(number).to_bytes(2, "little") + number


def post(served: Served, request: tuple[int, Iterator[bytes]], root: str = "/dicomweb", *, kind: str = DICOM) -> None:
    """Store by STOW-RS at the service of the path `root`; everything must be stored."""
    length, pieces = request
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=120)
    length_of = {"Content-Length": str(length)}
    headers = served.headers | {"Content-Type": content_type(kind), "Accept": JSON} | length_of
    connection.request("POST", f"{root}/studies", pieces, headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert response.status == 200, (response.status, body[:500])
