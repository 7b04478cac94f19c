"""A study, series or instance as a ZIP file: a file-set with a DICOMDIR, which programs for DICOM media read.

It is written while it is sent, with nothing of it in memory but the directory and one piece of a file. Files are not
compressed, but in a form that also readers take that read it while it comes.
Spec: PS3.18 8.6.1.3 (2024d), PS3.10 7 and 8 (2024d), PS3.12 V (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from zipfile import ZIP_DEFLATED, ZipFile

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.accept import ZIP
from dicomweb.api.conditional import answer, tag_of
from dicomweb.api.content import Content, Made, octets
from dicomweb.api.edge import Edge
from dicomweb.archive.blobs import Archive
from dicomweb.study.directory import Filed, directory

DIRECTORY = "DICOMDIR"
LARGE = 2 << 30
"""Bytes of a file from which on its entry has sizes of 64 bits."""
STORED = 0
"""The level of compression: none."""


async def zipped(edge: Edge, request: Request, files: Sequence[tuple[Filed, Content, bytes]], name: str) -> Response:
    """The ZIP file of instances, each with its content and its compressed DICOM JSON; `name` is that of the study."""
    tag = tag_of(ZIP, *(f"{one.instance.key} {one.syntax}" for one, _, _ in files))
    content = [Made(partial(_written, edge.archive, files), "")]
    headers = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
    return await answer(edge.archive, request, content, ZIP, tag, headers=headers)


class _Outlet:
    """What the writer writes into: it keeps what was written until that is taken. It cannot seek."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        """Keep it."""
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def taken(self) -> bytes:
        """What was written since the last time."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _written(archive: Archive, files: Sequence[tuple[Filed, Content, bytes]]) -> Iterator[bytes]:
    outlet = _Outlet()
    with ZipFile(outlet, "w", ZIP_DEFLATED, compresslevel=STORED) as file:
        with file.open(DIRECTORY, "w") as entry:  # by name: files are of 1980, so that the same set is the same file
            entry.write(directory([(one, compressed) for one, _, compressed in files]))
        yield outlet.taken()
        for one, content, _ in files:
            with file.open("/".join(one.file_id), "w", force_zip64=one.instance.size > LARGE) as entry:
                for piece in octets(archive, content):
                    entry.write(piece)
                    yield outlet.taken()
    yield outlet.taken()
