"""Intervals of dates by precision, zone and type, against a table worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from healix_fhir.search.dates import INTERVAL_OF, interval


def utc(*parts: int) -> datetime:
    """An instant of UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.spec("FHIR R4 search.html#date")
@pytest.mark.parametrize(
    ("text", "lo", "hi"),
    [
        ("2013", utc(2013, 1, 1), utc(2014, 1, 1)),
        ("2013-12", utc(2013, 12, 1), utc(2014, 1, 1)),
        ("2012-02", utc(2012, 2, 1), utc(2012, 3, 1)),
        ("2012-02-28", utc(2012, 2, 28), utc(2012, 2, 29)),
        ("2013-01-14T10:00", utc(2013, 1, 14, 10), utc(2013, 1, 14, 10, 1)),
        ("2013-01-14T10:00:00", utc(2013, 1, 14, 10), utc(2013, 1, 14, 10, 0, 1)),
        ("2013-01-14T10:00:00Z", utc(2013, 1, 14, 10), utc(2013, 1, 14, 10, 0, 1)),
        ("2013-01-14T23:30:00-05:00", utc(2013, 1, 15, 4, 30), utc(2013, 1, 15, 4, 30, 1)),
        ("2013-01-01T00:15:00+05:45", utc(2012, 12, 31, 18, 30), utc(2012, 12, 31, 18, 30, 1)),
        ("2013-01-14T10:00:00.5Z", utc(2013, 1, 14, 10, 0, 0, 500000), utc(2013, 1, 14, 10, 0, 0, 600000)),
        ("2013-01-14T10:00:00.999Z", utc(2013, 1, 14, 10, 0, 0, 999000), utc(2013, 1, 14, 10, 0, 1)),
        ("2013-01-14T10:00:00.1234569Z", utc(2013, 1, 14, 10, 0, 0, 123456), utc(2013, 1, 14, 10, 0, 0, 123457)),
        ("2016-12-31T23:59:60Z", utc(2017, 1, 1), utc(2017, 1, 1, 0, 0, 1)),
        ("9999", utc(9999, 1, 1), None),
        ("9999-12-31", utc(9999, 12, 31), None),
        ("0001-01-01T00:00:00+01:00", None, None),
    ],
)
def test_precision(text: str, lo: datetime | None, hi: datetime | None) -> None:
    """A date covers all instants that its precision leaves open; without a zone it is of UTC."""
    assert interval(text) == (lo, hi)


@pytest.mark.parametrize(
    "text",
    ["", "13", "2013-13", "2013-02-30", "0000", "2013-1-1", "2013-01-14T24:00:00Z", "2013-01-14T10", "2013-01-14 10:00",
     "2013-01-14T10:00:61Z", "2013-01-14T10:00:00+15:00", "2013-01-14Z", "20130114", "2013-W01-1", "٢٠١٣", "2013\n"],
)  # fmt: skip
def test_no_date(text: str) -> None:
    """What is no FHIR date has no interval."""
    assert interval(text) is None


JANUARY = {"start": "2013-01", "end": "2013-01"}


@pytest.mark.parametrize(
    ("fhir_type", "value", "covered"),
    [
        ("Period", JANUARY, (utc(2013, 1, 1), utc(2013, 2, 1))),
        ("Period", {"start": "2013-01-05"}, (utc(2013, 1, 5), None)),
        ("Period", {"end": "2013-01-05"}, (None, utc(2013, 1, 6))),
        ("Period", {}, None),
        ("Period", {"start": "2014", "end": "2013"}, (utc(2014, 1, 1), utc(2014, 1, 1))),
        ("Period", {"start": "2015", "end": "2013"}, (utc(2014, 1, 1), utc(2015, 1, 1))),
        ("Timing", {"event": ["2013-03-24", "2013-01-31"]}, (utc(2013, 1, 31), utc(2013, 3, 25))),
        ("Timing", {"repeat": {"boundsPeriod": JANUARY}}, (utc(2013, 1, 1), utc(2013, 2, 1))),
        (
            "Timing",
            {"event": ["2013-01-31"], "repeat": {"boundsPeriod": {"start": "2013-01-30"}}},
            (utc(2013, 1, 30), None),
        ),
        ("Timing", {"repeat": {"frequency": 2}}, None),
        ("Timing", {"event": [None, "2013"]}, (utc(2013, 1, 1), utc(2014, 1, 1))),
        ("instant", "2013-01-14T10:00:00Z", (utc(2013, 1, 14, 10), utc(2013, 1, 14, 10, 0, 1))),
    ],
)
def test_types(fhir_type: str, value: Any, covered: tuple[datetime | None, datetime | None] | None) -> None:
    """A Period may be open at an end; of a Timing only the outer limits count."""
    assert INTERVAL_OF[fhir_type](value) == covered
