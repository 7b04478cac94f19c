"""Arrays in binary form arrive as the same values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from healix_fhir.kernel import arrays
from tests.support.fhir_server import Pool, rows

EAST = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("int2", [0, -32768, 32767, None]),
        ("int4", [0, -(2**31), 2**31 - 1, None]),
        ("int8", [0, -(2**63), 2**63 - 1, None]),
        ("text", ["", "a", 'é\n"{},\\', "NULL", None, "🩺" * 1000]),
        ("bytea", [b"", b"\x00\xff", None]),
        (
            "timestamptz",
            [
                datetime(2000, 1, 1, tzinfo=UTC),
                datetime(1, 1, 1, tzinfo=UTC),
                datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
                datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=EAST),
                None,
            ],
        ),
    ],
)
def test_values_arrive_as_they_were_sent(pool: Pool, kind: str, values: Sequence[Any]) -> None:
    """Every kind of element with its extremes, nulls among them, none at all, and only nulls."""
    make = getattr(arrays, kind)
    for sent in (values, values[:1], [], [None, None]):
        found = rows(pool, f"SELECT v FROM unnest(%s::{kind}[]) WITH ORDINALITY AS x (v, n) ORDER BY n", make(sent))
        assert [value for (value,) in found] == list(sent)
