"""Dates as half-open intervals of UTC: what a FHIR date covers, by its precision.

`2013-01` covers from the first instant of January to the first instant of February, `(lo, hi)`; None stands for an open
end. A time without a zone is taken as UTC, and so is a date: FHIR leaves both to the server, and one rule for stored
and search values makes them comparable. A leap second (`:60`) is the second after it, as in PostgreSQL.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#date, hl7.org/fhir/R4/datatypes.html#dateTime
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeAlias

Interval: TypeAlias = tuple[datetime | None, datetime | None]
"""First instant, and first instant after; None for an open end."""

DATE = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)(:(?P<second>[0-5]\d|60)(\.(?P<fraction>\d{1,30}))?)?"
    r"(?P<zone>Z|[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00)?)?)?)?",
    re.ASCII,
)
MICROSECONDS = 6


@lru_cache(maxsize=8192)
def interval(text: str) -> Interval | None:
    """What a date, dateTime or instant covers, at the precision it is written with; None when `text` is none.

    Minutes without seconds are allowed, as in search values. An end that lies outside the years 1 to 9999 is open.
    """
    match = DATE.fullmatch(text)
    if match is None:
        return None
    try:
        return _day_interval(match) if match["hour"] is None else _time_interval(match)
    except ValueError:  # 2013-02-30, or the year 0
        return None


def _day_interval(match: re.Match[str]) -> Interval:
    year, month, day = int(match["year"]), match["month"], match["day"]
    first = date(year, int(month or 1), int(day or 1))
    if day is not None:
        after = None if first == date.max else first + timedelta(days=1)
    elif month is not None:
        after = _first_of(year + first.month // 12, first.month % 12 + 1)
    else:
        after = _first_of(year + 1, 1)
    return _midnight(first), _midnight(after)


def _first_of(year: int, month: int) -> date | None:
    return date(year, month, 1) if year <= date.max.year else None


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)


def _time_interval(match: re.Match[str]) -> Interval:
    local = datetime(
        int(match["year"]), int(match["month"]), int(match["day"]), int(match["hour"]), int(match["minute"]), tzinfo=UTC
    )
    shift = timedelta(seconds=int(match["second"] or 0)) - _offset(match["zone"])
    fraction = match["fraction"]
    if match["second"] is None:
        width = timedelta(minutes=1)
    elif fraction is None:
        width = timedelta(seconds=1)
    else:
        digits = fraction[:MICROSECONDS]
        scale: int = 10 ** (MICROSECONDS - len(digits))
        shift += timedelta(microseconds=int(digits) * scale)
        width = timedelta(microseconds=scale)
    return _add(local, shift), _add(local, shift + width)


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone == "Z":
        return timedelta(0)
    size = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    return -size if zone[0] == "-" else size


def _add(moment: datetime, shift: timedelta) -> datetime | None:
    try:
        return moment + shift
    except OverflowError:
        return None


def period(value: Mapping[str, Any]) -> Interval | None:
    """What a Period covers; a missing start or end is open, and both missing is no interval."""
    start, end = _interval_of(value.get("start")), _interval_of(value.get("end"))
    if start is None and end is None:
        return None
    return _ordered(start[0] if start else None, end[1] if end else None)


def timing(value: Mapping[str, Any]) -> Interval | None:
    """The outer limits of a Timing: its events and the bounds of its repetition; the schedule within is ignored.

    Spec: FHIR R4, hl7.org/fhir/R4/search.html#date (Timing)
    """
    found = [_interval_of(event) for event in value.get("event", ())]
    bounds = value.get("repeat", {}).get("boundsPeriod")
    if bounds is not None:
        found.append(period(bounds))
    covered = [interval for interval in found if interval is not None]
    if not covered:
        return None
    starts = [lo for lo, _ in covered if lo is not None]
    ends = [hi for _, hi in covered if hi is not None]
    return (
        min(starts) if len(starts) == len(covered) else None,
        max(ends) if len(ends) == len(covered) else None,
    )


def _interval_of(text: str | None) -> Interval | None:
    return None if text is None else interval(text)


def _ordered(lo: datetime | None, hi: datetime | None) -> Interval:
    """A period that ends before it starts is kept as the span between the two, so that no range is negative."""
    return (hi, lo) if lo is not None and hi is not None and hi < lo else (lo, hi)


INTERVAL_OF: Mapping[str, Callable[[Any], Interval | None]] = {
    "date": interval,
    "dateTime": interval,
    "instant": interval,
    "Period": period,
    "Timing": timing,
}
"""The interval of a value by its FHIR type; other types have no date."""
