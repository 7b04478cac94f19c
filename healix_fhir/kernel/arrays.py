"""Arrays as bound parameters in PostgreSQL's binary form, for statements that write many rows with unnest.

psycopg writes lists as text, element by element with quoting: measured 2.5 µs a string and 0.5 µs a number, half of the
CPU time of a create. Here it is 0.1 to 0.3 µs, and the server need not parse text. The parameter carries no type, so
that every use needs a cast: `%s::bigint[]`.

Spec: PostgreSQL 18, src/backend/utils/adt/arrayfuncs.c (array_recv); timestamptz: microseconds since 2000-01-01
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from struct import Struct
from typing import Any, TypeVar

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

T = TypeVar("T")
NULL = b"\xff\xff\xff\xff"
INT2, INT4, INT8, TEXT, BYTEA, TIMESTAMPTZ = 21, 23, 20, 25, 17, 1184
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
HEADER = Struct(">iiiii")
_length = Struct(">i").pack
_int2 = Struct(">ih").pack
_int4 = Struct(">ii").pack
_int8 = Struct(">iq").pack


class Array:
    """One array parameter."""

    __slots__ = ("data",)

    def __init__(self, oid: int, elements: Sequence[bytes]) -> None:
        if elements:
            head = HEADER.pack(1, NULL in elements, oid, len(elements), 1)
        else:
            head = HEADER.pack(0, 0, oid, 0, 0)[:12]
        self.data = head + b"".join(elements)


def _maker(oid: int, element: Callable[[T], bytes]) -> Callable[[Iterable[T | None]], Array]:
    def make(values: Iterable[T | None]) -> Array:
        return Array(oid, [NULL if value is None else element(value) for value in values])

    return make


def _text(value: str) -> bytes:
    data = value.encode()
    return _length(len(data)) + data


def _bytes(value: bytes) -> bytes:
    return _length(len(value)) + value


def _instant(value: datetime) -> bytes:
    since = value - EPOCH
    return _int8(8, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


int2: Callable[[Iterable[int | None]], Array] = _maker(INT2, lambda value: _int2(2, value))
int4: Callable[[Iterable[int | None]], Array] = _maker(INT4, lambda value: _int4(4, value))
int8: Callable[[Iterable[int | None]], Array] = _maker(INT8, lambda value: _int8(8, value))
text: Callable[[Iterable[str | None]], Array] = _maker(TEXT, _text)
bytea: Callable[[Iterable[bytes | None]], Array] = _maker(BYTEA, _bytes)
timestamptz: Callable[[Iterable[datetime | None]], Array] = _maker(TIMESTAMPTZ, _instant)


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Any) -> bytes:
        data: bytes = obj.data
        return data


psycopg.adapters.register_dumper(Array, _ArrayDumper)
