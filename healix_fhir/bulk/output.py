"""The files of an export as they are written: lines into a series of files, a new one where one is large enough."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType

from healix_fhir.bulk.job import File
from healix_fhir.bulk.store import PIECE, FileStore, Sink

LARGEST = 256 << 20
"""Bytes after which another file is begun: one that is cut off on its way is soon fetched again."""


class Series:
    """Files of one list of the manifest, `Type-1.ndjson` and so on; as a context it ends the last of them.

    `type` is that of the resources in it, None of several; `made` are the files that have ended.
    """

    def __init__(self, store: FileStore, directory: str, list_: str, type_: str | None, stem: str) -> None:
        self.made: list[File] = []
        self._store = store
        self._directory = directory
        self._list, self._type, self._stem = list_, type_, stem
        self._open: tuple[AbstractContextManager[Sink], Sink] | None = None
        self._gathered: list[bytes] = []
        self._waiting = self._size = self._count = 0

    @property
    def full(self) -> bool:
        """Whether the file that is being written is large enough."""
        return self._size >= LARGEST

    def add(self, line: bytes, resources: int = 1) -> None:
        """Write a line, which is so many resources."""
        self._gathered.append(line)
        self._count += resources
        self._size += len(line) + 1
        self._waiting += len(line) + 1
        if self._waiting >= PIECE:
            self._write()

    def end(self) -> None:
        """End the file, where there is one."""
        if self._gathered:
            self._write()
        if self._open is None:
            return
        context, _ = self._open
        self._open = None
        context.__exit__(None, None, None)
        self.made.append(File(self._name, self._list, self._type, self._count, self._size, self._key))
        self._size = self._count = 0

    @property
    def _name(self) -> str:
        return f"{self._stem}-{len(self.made) + 1}.ndjson"

    @property
    def _key(self) -> str:
        return f"{self._directory}{self._name}"

    def _write(self) -> None:
        if self._open is None:
            context = self._store.make(self._key)
            self._open = context, context.__enter__()
        self._gathered.append(b"")
        self._open[1].write(b"\n".join(self._gathered))
        self._gathered.clear()
        self._waiting = 0

    def __enter__(self) -> Series:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.end()
        elif self._open is not None:
            self._open[0].__exit__(kind, error, at)
