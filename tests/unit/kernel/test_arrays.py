"""Arrays in PostgreSQL's binary form, read back by psycopg's own loaders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from psycopg import postgres
from psycopg.adapt import Transformer
from psycopg.pq import Format
from psycopg.types.array import ArrayBinaryLoader

from healix_fhir.kernel import arrays
from healix_fhir.kernel.arrays import Array

MOMENT = datetime(2026, 11, 28, 23, 59, 59, 999_000, tzinfo=UTC)
EARLY = datetime(1901, 2, 3, tzinfo=timezone(timedelta(hours=-5)))


def loaded(array: Array, type_name: str) -> list[Any]:
    """The values that psycopg reads from `array`."""
    loader = ArrayBinaryLoader(postgres.types[type_name].array_oid, Transformer())
    assert loader.format is Format.BINARY
    return list(loader.load(array.data))


@pytest.mark.parametrize(
    ("make", "type_name", "values"),
    [
        (arrays.int2, "int2", [-(1 << 15), 0, (1 << 15) - 1]),
        (arrays.int4, "int4", [-(1 << 31), 7, (1 << 31) - 1]),
        (arrays.int8, "int8", [-(1 << 63), 7, (1 << 63) - 1]),
        (arrays.int8, "int8", list(range(3 * arrays.AT_ONCE + 1))),
        (arrays.text, "text", ["", "a", "Müller", "\U0001f600"]),
        (arrays.bytea, "bytea", [b"", b"\x00\xff\xff\xff\xff"]),
        (arrays.timestamptz, "timestamptz", [MOMENT, EARLY]),
    ],
)
@pytest.mark.parametrize(
    "change", [lambda v: v, lambda v: [None, *v], lambda v: [*v, None], lambda _: [], lambda _: [None]]
)
def test_arrays_read_back(
    make: Callable[[Sequence[Any]], Array],
    type_name: str,
    values: list[Any],
    change: Callable[[list[Any]], list[Any]],
) -> None:
    """Every value arrives as it is, with nulls anywhere, and an empty array as empty."""
    assert loaded(make(change(values)), type_name) == change(values)


def test_infinity_stands_for_none() -> None:
    """An array of instants without nulls holds `infinity` for a missing one."""
    with_none = arrays.timestamptz_or_infinity([MOMENT, None])
    assert with_none.data[-8:] == b"\x7f" + b"\xff" * 7
    assert with_none.data[4:8] == bytes(4)  # no nulls
