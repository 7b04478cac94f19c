"""Resources as tables in Parquet files, written as they are read.

The library pulls: it asks for lines of JSON as it needs them, makes columns of a batch of them, and hands the bytes of
a file on. So neither a table nor a file is ever whole in memory. It is no part of what Healix needs
(`healix[parquet]`), and is loaded where a file is written, not before.

Spec: Apache Parquet, parquet.apache.org/docs/file-format
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.util import find_spec
from typing import IO, cast

import msgspec

from healix_fhir.bulk.columns import Kind, columns, row
from healix_fhir.bulk.store import Sink

LARGEST = 64 << 20
"""Bytes of JSON after which another file is begun: what one row group comes to is held until the file ends."""
BATCH = 1000
"""Rows of which columns are made at once."""
COMPRESSION = "zstd(3)"


def installed() -> bool:
    """Whether Parquet can be written here."""
    return find_spec("arro3") is not None and find_spec("arro3.io") is not None


class Rows(io.RawIOBase):
    """The rows of one file as lines of JSON, for the library to read: as many of `lines` as a file takes.

    `count` of them have been taken. `failed` is what ended them before their time.
    """

    def __init__(self, type_name: str, lines: Iterator[bytes]) -> None:
        super().__init__()
        self.count = 0
        self.failed: Exception | None = None
        self._type = type_name
        self._lines = lines
        self._size = 0
        self._waiting = b""

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none when the file has enough, or there are no more."""
        try:
            while not self._waiting and self._size < LARGEST and (line := next(self._lines, None)) is not None:
                self.count += 1
                self._size += len(line)
                self._waiting = msgspec.json.encode(row(self._type, line)) + b"\n"
        except Exception as error:
            self.failed = error
            raise
        taken = len(self._waiting) if size < 0 else size
        given, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return given


class _Counted(io.RawIOBase):
    """What the library writes, on its way to a store; `size` is how much that was."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self.size = 0
        self._sink = sink

    def write(self, data: object, /) -> int:
        """Hand bytes on."""
        given = bytes(data)  # type: ignore[call-overload]
        self._sink.write(given)
        self.size += len(given)
        return len(given)


def write(sink: Sink, type_name: str, rows: Rows) -> int:
    """Write a file of the rows; how many bytes that were. Raises what the reading of lines raises."""
    from arro3.core import DataType, Field, Schema
    from arro3.io import read_json, write_parquet

    types = {
        Kind.TEXT: DataType.string(),
        Kind.BOOLEAN: DataType.bool(),
        Kind.INTEGER: DataType.int64(),
        Kind.NUMBER: DataType.float64(),
        Kind.INSTANT: DataType.timestamp("us", tz="UTC"),
    }
    schema = Schema([Field(name, types[kind], nullable=True) for name, kind in columns(type_name)])
    counted = _Counted(sink)
    try:
        batches = read_json(cast("IO[bytes]", rows), schema, batch_size=BATCH)
        write_parquet(batches, cast("IO[bytes]", counted), compression=COMPRESSION)
    except Exception:
        if rows.failed is not None:
            raise rows.failed from None
        raise
    return counted.size
