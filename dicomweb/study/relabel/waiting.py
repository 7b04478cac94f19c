"""The objects that were written anew and wait for their rows: on the disk, as there may be thousands of them.

Only the names of their blobs are kept in memory, a hundred bytes or so an object.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from types import TracebackType
from typing import Self

import msgspec

from dicomweb.dicomjson.header import Header
from dicomweb.index.further import Value
from dicomweb.pixel.layout import Layout
from dicomweb.study.receive import Received
from dicomweb.study.relabel.objects import Concerned

_LENGTH = Struct("<Q")


class Replaced(msgspec.Struct, frozen=True):
    """An object in the place of another: the study, instance and blob of that, and all that is written of it."""

    study: str
    instance: str
    before: str
    sop_class: str
    transfer_syntax: str
    of_study: str
    of_series: str
    key: str
    size: int
    digest: bytes
    attributes: dict[int, bytes]
    metadata: bytes
    layout: Layout
    further: tuple[Value, ...]

    def received(self) -> Received:
        """As it was received."""
        return Received(
            self.sop_class,
            self.instance,
            self.transfer_syntax,
            self.of_study,
            self.of_series,
            self.key,
            self.size,
            self.digest,
            Header(self.attributes, self.metadata, {}),
            self.layout,
            None,
            self.further,
        )


class Waiting:
    """Objects written anew, in a file of `folder` that has no name; to be closed."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by its owner
        self.keys: list[str] = []
        self.studies: set[str] = set()
        self.first: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, one: Concerned, made: Received) -> None:
        """Keep what was `made` of an object."""
        packed = msgspec.msgpack.encode(
            Replaced(
                one.study, one.instance, one.key, made.sop_class, made.transfer_syntax, made.study, made.series,
                made.key, made.size, made.digest, made.header.attributes, made.header.metadata, made.layout,
                tuple(made.further),
            )
        )  # fmt: skip
        self._file.write(_LENGTH.pack(len(packed)) + packed)
        self.first = self.first or one.instance
        self.keys.append(made.key)
        self.studies.add(one.study)

    def groups(self, size: int) -> Iterator[list[Replaced]]:
        """All of them in order, so many at a time."""
        self._file.seek(0)
        decoder = msgspec.msgpack.Decoder(Replaced)
        for start in range(0, len(self.keys), size):
            count = min(size, len(self.keys) - start)
            yield [decoder.decode(self._file.read(_LENGTH.unpack(self._file.read(8))[0])) for _ in range(count)]
