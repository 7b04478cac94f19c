"""Dates, times and ranges of them as half-open intervals, and their bounds as text that stored values compare with.

A stored value is as precise as its sender was (`0304`, `030405.5`), so text compares rightly only when zeros at its
end are left out: `0304` and `030400` are the same moment. Bounds are written so. What is stored may be less precise,
and then compares like the moment that it begins at. Moments carry no zone: they are compared as clocks show them.

Spec: PS3.4 C.2.2.2.5 (2024d); PS3.5 6.2, DA, TM and DT (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

DATE = re.compile(r"\d{8}", re.ASCII)
TIME = re.compile(r"(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?)?", re.ASCII)
OFFSET = re.compile(r"([+-])(\d{2})(\d{2})", re.ASCII)
EARLIEST_OFFSET, LATEST_OFFSET, QUARTER = -12 * 60, 14 * 60, 15
DAY = timedelta(days=1)
MIDNIGHT = datetime(2000, 1, 1, tzinfo=UTC)
"""The day on which times without a date are compared."""
LENGTH_OF_DATE = 8
FIRST, AFTER_ALL = "", ":"
"""Bounds of what has none: less than all digits, and greater."""


Reader = Callable[[str], tuple[datetime, datetime | None]]


class MalformedError(ValueError):
    """A value that is no date, time or range."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low`, and before `high`; None is unbounded. `single` says that it was written as one value."""

    low: datetime | None
    high: datetime | None
    single: bool = False

    @property
    def form(self) -> tuple[bool, bool, bool]:
        """How it was written: only two ranges of one form are combined."""
        return self.single, self.low is None, self.high is None


def dates(value: str) -> Interval:
    """A date or range of dates; nothing is within one that ends before it begins. Raises MalformedError."""
    return _interval(value, _date)


def times(value: str) -> Interval:
    """A time of day or range of times, on the day of `MIDNIGHT`; it may end before it begins, see `checked`.

    Raises MalformedError.
    """
    return _interval(value, _time)


def checked(interval: Interval) -> Interval:
    """The interval itself. Raises MalformedError when it ends before it begins, which one of times does that crosses
    midnight, or holds nothing: the standard says neither.
    """
    if interval.low is not None and interval.high is not None and interval.high <= interval.low:
        raise MalformedError
    return interval


def combined(days: Interval, hours: Interval) -> Interval:
    """A date and a time, both ranges of one form, as one range of moments."""
    low = None if days.low is None or hours.low is None else days.low + (hours.low - MIDNIGHT)
    high = None if days.high is None or hours.high is None else days.high - DAY + (hours.high - MIDNIGHT)
    return Interval(low, high)


def offset(value: str) -> timedelta:
    """A Timezone Offset From UTC. Raises MalformedError."""
    found = OFFSET.fullmatch(value)
    minutes = int(f"{found[1]}1") * (int(found[2]) * 60 + int(found[3])) if found else EARLIEST_OFFSET - 1
    if found is None or int(found[3]) > 59 or not EARLIEST_OFFSET <= minutes <= LATEST_OFFSET:
        raise MalformedError
    return timedelta(minutes=minutes)


OFFSETS: dict[str, timedelta] = {
    f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}": timedelta(minutes=minutes)
    for minutes in range(EARLIEST_OFFSET, LATEST_OFFSET + 1, QUARTER)
}
"""Every offset that a clock anywhere has, as DICOM writes it."""


def shifted(interval: Interval, by: timedelta) -> Interval:
    """The interval on a clock that shows `by` more."""
    return Interval(_moved(interval.low, by), _moved(interval.high, by), interval.single)


def date_bounds(interval: Interval) -> tuple[str, str]:
    """The bounds of days, for an interval of whole ones."""
    low, high = bounds(interval)
    return low[:8], high[:8]


def bounds(interval: Interval) -> tuple[str, str]:
    """The bounds of moments, for a date and a time that are written one after the other."""
    return (
        FIRST if interval.low is None else written(interval.low),
        AFTER_ALL if interval.high is None else written(interval.high),
    )


def time_bounds(interval: Interval) -> tuple[str, str]:
    """The bounds of times of one day; the interval does not cross midnight."""
    low, high = interval.low, interval.high
    return (
        FIRST if low is None else written(low)[8:],
        AFTER_ALL if high is None or high - MIDNIGHT >= DAY else written(high)[8:],
    )


def times_shifted(interval: Interval, by: timedelta) -> list[Interval]:
    """Times of day on a clock that shows `by` more: two intervals when they cross midnight there."""
    low = interval.low or MIDNIGHT
    high = interval.high or MIDNIGHT + DAY
    if high - low >= DAY:
        return [Interval(MIDNIGHT, MIDNIGHT + DAY)]
    start = MIDNIGHT + (low + by - MIDNIGHT) % DAY
    end = start + (high - low)
    if end <= MIDNIGHT + DAY:
        return [Interval(start, end)]
    return [Interval(start, MIDNIGHT + DAY), Interval(MIDNIGHT, end - DAY)]


def written(moment: datetime) -> str:
    """The moment as DICOM writes it, without components at its end that are zero."""
    text = f"{moment.year:04}{moment.month:02}{moment.day:02}{moment.hour:02}{moment.minute:02}{moment.second:02}"
    if moment.microsecond:
        return f"{text}.{moment.microsecond:06}".rstrip("0")
    while len(text) > LENGTH_OF_DATE and text.endswith("00"):
        text = text[:-2]
    return text


def _moved(moment: datetime | None, by: timedelta) -> datetime | None:
    try:
        return None if moment is None else moment + by
    except OverflowError:
        return moment


def _interval(value: str, read: Reader) -> Interval:
    low, dash, high = (part.strip() for part in value.partition("-"))
    if not (low or high):
        raise MalformedError
    if not dash:
        return Interval(*read(low), single=True)
    return Interval(read(low)[0] if low else None, read(high)[1] if high else None)


def _date(text: str) -> tuple[datetime, datetime | None]:
    """The first moment of a date and the first after it, which the last day of all has not."""
    if DATE.fullmatch(text) is None:
        raise MalformedError
    try:
        start = datetime(int(text[:4]), int(text[4:6]), int(text[6:]), tzinfo=UTC)
    except ValueError as error:
        raise MalformedError from error
    return start, None if start.date() == date.max else start + DAY


def _time(text: str) -> tuple[datetime, datetime | None]:
    """The first moment of a time, which is as long as it is imprecise, and the first after it; `60` is second 59."""
    found = TIME.fullmatch(text)
    if found is None:
        raise MalformedError
    hour, minute, second, fraction = found.groups()
    try:
        clock = time(int(hour), int(minute or 0), min(int(second or 0), 59), int((fraction or "0").ljust(6, "0")))
    except ValueError as error:
        raise MalformedError from error
    start = datetime.combine(MIDNIGHT, clock, UTC)
    if fraction:
        return start, start + timedelta(microseconds=10 ** (6 - len(fraction)))
    return start, start + timedelta(**{"seconds" if second else "minutes" if minute else "hours": 1})


DATETIME = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:\.(\d{1,6}))?([+-]\d{4})?", re.ASCII)


def datetimes(value: str) -> Interval:
    """A moment (DT) or range of moments; with an offset from UTC it is the moment of UTC. Raises MalformedError.

    What can be read as one moment with an offset is that: `20260102-0500` is no range.
    """
    if (one := _moment(value)) is not None:
        return Interval(*one, single=True)
    for place in (place for place, char in enumerate(value) if char == "-"):
        low, high = value[:place], value[place + 1 :]
        start, end = _moment(low), _moment(high)
        if (low or high) and (start is not None or not low) and (end is not None or not high):
            return Interval(start[0] if start else None, end[1] if end else None)
    raise MalformedError


def _moment(text: str) -> tuple[datetime, datetime | None] | None:
    """The first moment of a written one and the first after it; None of what is none."""
    try:
        return _datetime(text)
    except MalformedError:
        return None


def in_utc(text: str) -> str:
    """A stored moment (DT) as it is compared: in UTC when it tells its offset; as it is where it is malformed."""
    found = DATETIME.fullmatch(text)
    if found is None or not found[8]:
        return text
    try:
        return written(_datetime(text)[0])
    except MalformedError:
        return text


def _datetime(text: str) -> tuple[datetime, datetime | None]:
    """The first moment of a written one, which is as long as it is imprecise, and the first after it."""
    found = DATETIME.fullmatch(text)
    if found is None:
        raise MalformedError
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        start = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), min(int(second or 0), 59),
            int((fraction or "0").ljust(6, "0")), UTC,
        )  # fmt: skip
        if not day:
            end = start.replace(
                year=start.year + (start.month == 12 or not month), month=start.month % 12 + 1 if month else 1
            )
        elif fraction:
            end = start + timedelta(microseconds=10 ** (6 - len(fraction)))
        else:
            end = start + timedelta(
                **{"seconds" if second else "minutes" if minute else "hours" if hour else "days": 1}
            )
        by = offset(zone) if zone else timedelta()
        return start - by, end - by
    except (ValueError, OverflowError) as error:
        raise MalformedError from error
