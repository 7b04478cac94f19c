"""Dates, times and ranges of them as intervals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from dicomweb.index import moments as m


@pytest.mark.spec("PS3.4 C.2.2.2.5")
@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (m.dates, "20260102", ("20260102", "20260103")),
        (m.dates, "20251230-20251231", ("20251230", "20260101")),
        (m.dates, "-20240228", ("", "20240229")),
        (m.dates, "99991231-", ("99991231", ":")),
        (m.datetimes, "2026", ("20260101", "20270101")),
        (m.datetimes, "202612", ("20261201", "20270101")),
        (m.datetimes, "20260102030405.25", ("20260102030405.25", "20260102030405.26")),
        (m.datetimes, "2026010200+0100-2026010201+0100", ("2026010123", "2026010201")),
        (m.datetimes, "20260102-0500", ("2026010205", "2026010305")),
        (m.datetimes, "20260102-0500-20260102-0500", ("2026010205", "2026010305")),
        (m.datetimes, "2026-0500-2027-0500", ("2026010105", "2028010105")),
        (m.datetimes, "-20260102", ("", "20260103")),
    ],
)
def test_bounds_of_moments(read: Callable[[str], m.Interval], value: str, expected: tuple[str, str]) -> None:
    """A value lasts as long as it is imprecise, and a range until its end is over."""
    assert m.bounds(read(value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("03", ("03", "04")),
        ("0304-0305", ("0304", "0306")),
        ("235959.5", ("235959.5", "235959.6")),
        ("23", ("23", ":")),
        ("-12", ("", "13")),
        ("000000-", ("", ":")),
        ("235960", ("235959", ":")),
    ],
)
def test_bounds_of_times(value: str, expected: tuple[str, str]) -> None:
    """Zeros at the end of a bound are left out, and midnight ends the day."""
    assert m.time_bounds(m.times(value)) == expected


@pytest.mark.parametrize(
    ("value", "hours", "expected"),
    [
        ("22-2330", 5, [("03", "0431")]),
        ("22-", 1, [("23", ":"), ("", "01")]),
        ("00-", -3, [("", ":")]),
        ("0030", -1, [("2330", "2331")]),
    ],
)
def test_times_in_other_zones(value: str, hours: int, expected: list[tuple[str, str]]) -> None:
    """Times that cross midnight there are two intervals."""
    assert [m.time_bounds(one) for one in m.times_shifted(m.times(value), timedelta(hours=hours))] == expected


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (m.dates, "20260230"), (m.dates, "2026"), (m.dates, "-"), (m.dates, "٢٠٢٦٠١٠٢"),
        (m.times, "24"), (m.times, "1"), (m.times, "12:00"), (m.datetimes, "202613"),
        (m.datetimes, "20260102+2500"), (m.datetimes, ""),
    ],
)  # fmt: skip
def test_malformed_values(read: Callable[[str], m.Interval], value: str) -> None:
    """What is no date or time is refused."""
    with pytest.raises(m.MalformedError):
        read(value)


@pytest.mark.spec("PS3.4 C.2.2.2.5.1")
def test_ranges_that_end_before_they_begin() -> None:
    """Nothing is within one of dates, which viewers ask for; what one of times means nobody knows."""
    for interval in (m.dates("20260103-20260102"), m.datetimes("2026-2025")):
        low, high = m.bounds(interval)
        assert low >= high
    low, high = m.bounds(m.combined(m.dates("20260102-20260102"), m.times("12-08")))
    assert low >= high
    with pytest.raises(m.MalformedError):
        m.checked(m.times("23-01"))
