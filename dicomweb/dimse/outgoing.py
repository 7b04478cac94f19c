"""The data sets of stored instances on their way out: as they are stored, or in a transfer syntax that a peer takes.

What goes out as it is stored is streamed from the archive; what is written anew is made as WADO-RS makes it, so the
pixels are the same whichever way an image leaves.

Spec: PS3.4 C.4.2.2.2 and C.4.3.2.2 (2024d), PS3.18 8.7.3.5 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.blobs import Archive
from dicomweb.dicomjson.part10 import read_meta
from dicomweb.dicomjson.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dicomweb.dimse.pdu import Piece
from dicomweb.pixel.image import Image, image
from dicomweb.pixel.layout import Layout
from dicomweb.pixel.pool import work_now
from dicomweb.pixel.syntaxes import can_rewrite
from dicomweb.study.retrieve import Instance, layouts
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext

FALLBACK = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
"""What is offered beside the transfer syntax that an instance is stored in; every peer takes the second."""


class Outgoing:
    """Instances that `access` may retrieve, for one thread."""

    def __init__(self, archive: Archive, pool: ConnectionPool[Connection[Row]], access: AccessContext) -> None:
        self._archive = archive
        self._pool = pool
        self._access = access
        self._study = ""
        self._layouts: dict[str, Layout] = {}

    def data_set(self, one: Instance, syntax: str) -> Iterator[Piece]:
        """The data set of an instance in a transfer syntax, without File Meta Information.

        What may be wrong with it is seen before its first piece. Raises NotAcceptable when it cannot be had in that
        syntax, Unprocessable for pixels that cannot be decoded, Unavailable when it cannot be read; that may also be
        seen in the middle.
        """
        if syntax == one.transfer_syntax:
            return _bare(self._archive.stream(one.key, 0, one.size))
        described, size = self._described(one)
        if not can_rewrite(one.transfer_syntax, syntax, described, size):
            raise HealixError(
                Category.NOT_ACCEPTABLE, "the object cannot be written in a transfer syntax that is taken"
            )
        from dicomweb.pixel.rewrite import rewritten

        stored = self._archive.read(one.key, 0, one.size)
        return _bare(iter((work_now(rewritten, stored, described, syntax),)))

    def _described(self, one: Instance) -> tuple[Image | None, int]:
        """What the frames of an instance are like, and its size when it is uncompressed."""
        if one.study != self._study:
            try:
                self._layouts = transaction(self._pool, lambda: layouts(self._access, one.study))
            except psycopg.Error as error:
                message = "the database is not available"
                raise HealixError(Category.UNAVAILABLE, message, detail=str(error)) from error
            self._study = one.study
        layout = self._layouts.get(one.instance)
        pixels = layout.pixels if layout is not None else None
        if pixels is None:
            return None, one.size
        return image(pixels), max(one.size, pixels.frame_bits * pixels.frames // 8)


def _bare(file: Iterator[bytes]) -> Iterator[Piece]:
    """What comes after the File Meta Information of a file."""
    head = b""
    for piece in file:
        head += piece
        found = read_meta(head)
        if found is not None:
            first: Piece = memoryview(head)[found[1] :]  # a copy would cost as much as reading it
            return chain((first,), file)
    raise HealixError(Category.FAULT, "a stored object ends within its File Meta Information")
