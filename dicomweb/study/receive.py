"""Receiving one object: spooled, digested and parsed while memory stays bounded, durable before it is returned.

Nothing of a refused object stays behind. A received one that gets no rows is removed by `store.settle` or, after a
crash, by the sweep of dicomweb/archive.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb.archive.blobs import Archive
from dicomweb.dicomjson import Header


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What a DIMSE association knows of a bare data set: it becomes the File Meta Information of the stored file.

    `source_aet` is the calling AE title.
    """

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    source_aet: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """One object that lies durable in the archive under `key` and waits for its rows.

    `digest` is a 128-bit xxh3 of the data set without preamble and File Meta, so that the same object is known again
    whatever implementation sent it. `header` holds its index attributes, metadata and byte ranges.
    """

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    study: str
    series: str
    key: str
    size: int
    digest: bytes
    header: Header


class Receiver:
    """Takes objects into `archive`; one for each process, safe to share between threads.

    `max_object` is the largest accepted file in bytes.
    """

    def __init__(self, archive: Archive, *, max_object: int = 16 << 30) -> None:
        self._archive = archive
        self._max_object = max_object

    def begin(self, meta: FileMeta | None = None) -> Incoming:
        """Start receiving: a whole Part 10 stream, or with `meta` a bare data set, to which File Meta is prefixed.

        Raises Invalid when `meta` holds no valid UIDs, Unavailable when nothing can be written.
        """
        raise NotImplementedError


class Incoming:
    """One object on its way in. Blocking; asynchronous callers write from a thread."""

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append bytes as they arrive. Raises TooLarge past the limit, Unavailable when the disk is full."""
        raise NotImplementedError

    def finish(self) -> Received:
        """End of the object: parse it and make it durable.

        Raises Invalid (cannot be understood, truncated), Unprocessable (does not match its File Meta or lacks
        identifying attributes), UnsupportedMedia (a transfer syntax that cannot be parsed), Unavailable; nothing is
        left behind then.
        """
        raise NotImplementedError

    def abort(self) -> None:
        """Drop what has arrived; does nothing after `finish` or a second time."""
        raise NotImplementedError
