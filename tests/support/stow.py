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


def body(files: Sequence[bytes], *, kind: str = "application/dicom", end: bytes = b"--") -> bytes:
    """A multipart body of these parts, with a preamble and an epilogue."""
    parts = b"".join(
        b"\r\n--%s\r\nContent-Type: %s\r\n\r\n%s" % (BOUNDARY.encode(), kind.encode(), file) for file in files
    )
    return b"preamble" + parts + b"\r\n--%s%s\r\nepilogue" % (BOUNDARY.encode(), end)
