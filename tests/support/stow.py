"""STOW-RS requests by hand."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from pydicom.dataset import Dataset

BOUNDARY = "a1 (b)"
HEADERS = {"Content-Type": f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'}


def file_of(dataset: Dataset) -> bytes:
    """The Part 10 file of a data set."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def content_type(kind: str) -> dict[str, str]:
    """The headers of a request with parts of this type."""
    return {"Content-Type": f'multipart/related; type="{kind}"; boundary="{BOUNDARY}"'}


def parts(*each: tuple[dict[str, str], bytes]) -> bytes:
    """A multipart body of parts with these headers."""
    written = b""
    for headers, content in each:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        written += b"--%s\r\n%s\r\n%s\r\n" % (BOUNDARY.encode(), lines.encode(), content)
    return written + b"--%s--\r\n" % BOUNDARY.encode()


def metadata(content: bytes, kind: str = "application/dicom+json", **parameters: str) -> tuple[dict[str, str], bytes]:
    """A part with metadata."""
    given = "".join(f"; {name.replace('_', '-')}={value}" for name, value in parameters.items())
    return {"Content-Type": kind + given}, content


def bulk(location: str, content: bytes, kind: str = "application/octet-stream") -> tuple[dict[str, str], bytes]:
    """A part with bulk data."""
    return {"Content-Type": kind, "Content-Location": location}, content


def body(files: Sequence[bytes], *, kind: str = "application/dicom", end: bytes = b"--") -> bytes:
    """A multipart body of these parts, with a preamble and an epilogue."""
    parts = b"".join(
        b"\r\n--%s\r\nContent-Type: %s\r\n\r\n%s" % (BOUNDARY.encode(), kind.encode(), file) for file in files
    )
    return b"preamble" + parts + b"\r\n--%s%s\r\nepilogue" % (BOUNDARY.encode(), end)
