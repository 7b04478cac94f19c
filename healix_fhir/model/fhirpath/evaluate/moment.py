"""Dates, times and date-times of FHIRPath, with the precision that they are written with.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#date, #time, #datetime, #equals, #comparison
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import datetime
from decimal import Decimal

import msgspec

TIME = r"(?P<hour>[0-9]{2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}(?:\.[0-9]+)?))?)?"
DATE = r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?)?"
FORMS = {
    "Date": re.compile(DATE),
    "DateTime": re.compile(rf"{DATE}(?:T(?:{TIME}(?P<zone>Z|[+-][0-9]{{2}}:[0-5][0-9])?)?)?"),
    "Time": re.compile(rf"T?{TIME}"),
}
PARTS = ("year", "month", "day", "hour", "minute", "second")
EARLIEST, LATEST = 14 * 60, -12 * 60
"""The zone offsets, in minutes, with which a local time is earliest and latest."""

LONGEST = 40  # no moment has more characters, unless someone wants to see what happens


class Moment(msgspec.Struct, frozen=True):
    """A Date, DateTime or Time, as `kind` tells.

    `parts` are year, month, day, hour, minute and second (a Time begins with the hour), as many as were written;
    `zone` is the offset from UTC in minutes, None where there is none.
    """

    kind: str
    parts: tuple[int | Decimal, ...]
    zone: int | None = None

    def __str__(self) -> str:
        """The form in which FHIRPath writes it, without the `@` (and the `T` of a Time or a partial DateTime)."""
        if self.kind == "Time":
            return _clock(self.parts)
        date = "-".join(f"{part:04d}" if index == 0 else f"{part:02d}" for index, part in enumerate(self.parts[:3]))
        if len(self.parts) <= 3:
            return date
        return f"{date}T{_clock(self.parts[3:])}{_zone(self.zone)}"


def parse(kind: str, text: str) -> Moment | None:
    """The moment that `text` writes, without `@`; None where it writes none, or one that does not exist."""
    match = FORMS[kind].fullmatch(text) if len(text) <= LONGEST else None
    if match is None:
        return None
    found = match.groupdict()
    names = PARTS[3:] if kind == "Time" else PARTS
    written = [found[name] for name in names if found.get(name) is not None]
    parts = tuple(Decimal(part) if name == "second" else int(part) for name, part in zip(names, written, strict=False))
    zone = _offset(found.get("zone"))
    return Moment(kind, parts, zone) if _exists(kind, parts, zone) else None


def of(kind: str, instant: datetime) -> Moment:
    """The Date, DateTime or Time of a zoned `instant`, to the millisecond."""
    second = Decimal(instant.second * 1000 + instant.microsecond // 1000).scaleb(-3)
    date: tuple[int | Decimal, ...] = (instant.year, instant.month, instant.day)
    clock: tuple[int | Decimal, ...] = (instant.hour, instant.minute, second)
    if kind == "Date":
        return Moment(kind, date)
    if kind == "Time":
        return Moment(kind, clock)
    offset = instant.utcoffset()
    return Moment(kind, date + clock, None if offset is None else int(offset.total_seconds()) // 60)


def compare(left: Moment, right: Moment) -> int | None:
    """-1, 0 or 1; None where the precisions or a missing time zone leave it open.

    A time without a zone may be in any: the answer is known only where it is the same in all of them.
    """
    if len(left.parts) <= 3 or len(right.parts) <= 3 or left.kind == "Time" or left.zone == right.zone:
        return _compare(left.parts, right.parts)
    if left.zone is None:
        return _settled(_compare(_utc(left, EARLIEST), _utc(right)), _compare(_utc(left, LATEST), _utc(right)))
    if right.zone is None:
        return _settled(_compare(_utc(left), _utc(right, LATEST)), _compare(_utc(left), _utc(right, EARLIEST)))
    return _compare(_utc(left), _utc(right))


def normalized(moment: Moment) -> tuple[tuple[int | Decimal, ...], bool]:
    """The parts in UTC, and whether the zone is known: the same for two moments exactly when they compare as equal."""
    if len(moment.parts) <= 3 or moment.zone is None:
        return moment.parts, False
    return _utc(moment), True


def comparable(left: Moment, right: Moment) -> bool:
    """Whether both are times, or neither is."""
    return (left.kind == "Time") is (right.kind == "Time")


def _settled(first: int | None, last: int | None) -> int | None:
    return first if first == last and first != 0 else None


def _compare(left: tuple[int | Decimal, ...], right: tuple[int | Decimal, ...]) -> int | None:
    for ours, theirs in zip(left, right, strict=False):
        if ours != theirs:
            return -1 if ours < theirs else 1
    return 0 if len(left) == len(right) else None


def _utc(moment: Moment, zone: int | None = None) -> tuple[int | Decimal, ...]:
    """The parts in UTC, at the precision that they have."""
    offset = moment.zone if zone is None else zone
    if not offset:
        return moment.parts
    year, month, day, hour, *rest = moment.parts
    minutes = int(hour) * 60 + int(rest[0] if rest else 0) - offset
    days, minutes = divmod(minutes, 24 * 60)
    date = _add_days(int(year), int(month), int(day), days)
    return (*date, minutes // 60, minutes % 60, *rest[1:])[: len(moment.parts)]


def _add_days(year: int, month: int, day: int, days: int) -> tuple[int, int, int]:
    """One day on or back at most; the years 0 and 10000 are allowed here, since they are only compared."""
    day += days
    if day < 1:
        year, month = (year - 1, 12) if month == 1 else (year, month - 1)
        day = _length(year, month)
    elif day > _length(year, month):
        year, month, day = (year + 1, 1, 1) if month == 12 else (year, month + 1, 1)
    return year, month, day


def _length(year: int, month: int) -> int:
    return monthrange(min(max(year, 1), 9999), month)[1]


def _exists(kind: str, parts: tuple[int | Decimal, ...], zone: int | None) -> bool:
    date, clock = ((), parts) if kind == "Time" else (parts[:3], parts[3:])
    if date and date[0] == 0:
        return False
    if len(date) > 1 and not 1 <= date[1] <= 12:
        return False
    if len(date) > 2 and not 1 <= date[2] <= _length(int(date[0]), int(date[1])):
        return False
    if zone is not None and not -14 * 60 <= zone <= 14 * 60:
        return False
    return all(part < limit for part, limit in zip(clock, (24, 60, 61), strict=False))


def _offset(zone: str | None) -> int | None:
    if zone is None:
        return None
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return -minutes if zone[0] == "-" else minutes


def _clock(parts: tuple[int | Decimal, ...]) -> str:
    return ":".join(f"{part:02d}" if isinstance(part, int) else _second(part) for part in parts)


def _second(second: Decimal) -> str:
    whole, point, fraction = f"{second:f}".partition(".")
    return f"{whole:0>2}{point}{fraction}"


def _zone(zone: int | None) -> str:
    if zone is None:
        return ""
    if zone == 0:
        return "Z"
    hours, minutes = divmod(abs(zone), 60)
    return f"{'-' if zone < 0 else '+'}{hours:02d}:{minutes:02d}"
