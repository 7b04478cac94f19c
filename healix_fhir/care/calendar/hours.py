"""Opening hours as FHIR says them, and the times of slots that follow from them: pure.

A PractitionerRole or HealthcareService has `availableTime`: days of the week with a time of the day, by the clock of
its time zone; and `notAvailable`: holidays, by days or moments. What is open is computed by that clock and cut into
slots by the time that really passes: in the night when the clock goes forward an hour is missing, and one comes twice
when it goes back. A time that the clock leaves out begins when it goes on.

Spec: FHIR R4, hl7.org/fhir/R4/practitionerrole-definitions.html#PractitionerRole.availableTime,
healthcareservice-definitions.html#HealthcareService.notAvailable
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

Json: TypeAlias = Mapping[str, Any]
Span: TypeAlias = tuple[datetime, datetime]
"""From, and until, in UTC."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = timedelta(days=1)
FIRST_YEAR, LAST_YEAR = 1, 9998
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def slots(
    available: Sequence[Json], closed: Iterable[Json], zone: ZoneInfo, length: timedelta, first: date, last: date
) -> list[Span]:
    """The slots from the day `first` until the day `last`, each of `length`, in order."""
    shut = [span for one in closed if (span := closure(one, zone)) is not None]
    return [
        (start, start + length)
        for opens, closes in opened(available, zone, first, last)
        for start in _steps(opens, closes, length)
        if not any(begin < start + length and start < end for begin, end in shut)
    ]


def _steps(opens: datetime, closes: datetime, length: timedelta) -> Iterator[datetime]:
    while opens + length <= closes:
        yield opens
        opens += length


def opened(available: Sequence[Json], zone: ZoneInfo, first: date, last: date) -> list[Span]:
    """When it is open, without holidays; times that overlap or touch are one."""
    found: list[Span] = []
    day = first
    while day <= last:
        found += [_span(day, one, zone) for one in available if DAYS[day.weekday()] in one.get("daysOfWeek", DAYS)]
        day += DAY
    joined: list[Span] = []
    for start, end in sorted(found):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        elif start < end:
            joined.append((start, end))
    return joined


def _span(day: date, available: Json, zone: ZoneInfo) -> Span:
    if available.get("allDay") is True:
        return at(day, time(), zone), at(day + DAY, time(), zone)
    start, end = available.get("availableStartTime"), available.get("availableEndTime")
    closes = at(day + DAY, time(), zone) if end is None else at(day, _time(end), zone, last=True)
    return at(day, time() if start is None else _time(start), zone), closes


def _time(text: str) -> time:
    """A time of FHIR; a leap second is the one before."""
    return time.fromisoformat(text.replace(":60", ":59"))


def at(day: date, clock: time, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """The moment at which the clock of a zone shows this; of two of them the `last` one, where that is asked for; when
    the clock leaves it out, that at which it goes on.
    """
    shown = datetime.combine(day, clock.replace(fold=int(last)), zone)
    moment = shown.astimezone(UTC)
    is_shown = moment.astimezone(zone).replace(tzinfo=None) == shown.replace(tzinfo=None)
    return moment if is_shown else _gone_on(shown, zone)


def _gone_on(left_out: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which the clock leaps over a time: between what it would be by either offset from UTC."""
    before, after = (left_out.replace(fold=fold).astimezone(UTC) for fold in (1, 0))
    offset = before.astimezone(zone).utcoffset()
    while (seconds := int((after - before).total_seconds())) > 1:
        middle = before + timedelta(seconds=seconds // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def closure(not_available: Json, zone: ZoneInfo) -> Span | None:
    """From when until when it is closed; None for a period that says nothing."""
    during = not_available.get("during", {})
    start, end = during.get("start"), during.get("end")
    if start is None and end is None:
        return None
    return EARLIEST if start is None else edges(start, zone)[0], LATEST if end is None else edges(end, zone)[1]


def edges(text: str, zone: ZoneInfo) -> Span:
    """The first moment of a dateTime and the first one after it: a day is one of the zone's."""
    year = int(text[:4])
    if not FIRST_YEAR < year < LAST_YEAR:  # no clock of a zone goes there
        return (EARLIEST, EARLIEST) if year <= FIRST_YEAR else (LATEST, LATEST)
    if "T" in text:
        moment = datetime.fromisoformat(text.replace(":60", ":59")).astimezone(UTC)
        return moment, moment + timedelta(seconds=1)
    year, month, day = (int(part) for part in f"{text}-01-01"[:10].split("-"))
    after = date(year, month, day) + DAY
    if len(text) < len("2000-01-31"):
        whole = year * 12 + month - 1 + (12 if len(text) == len("2000") else 1)
        after = date(whole // 12, whole % 12 + 1, 1)
    return at(date(year, month, day), time(), zone), at(after, time(), zone)


def problems(available: Sequence[Json]) -> Iterator[str]:
    """What is wrong with opening hours, for whoever types them in."""
    for day in DAYS:
        found = sorted(
            (one.get("availableStartTime", "00:00:00"), one.get("availableEndTime", "24:00:00"))
            for one in available
            if day in one.get("daysOfWeek", DAYS)
        )
        for start, end in found:
            if end <= start:
                yield f"{day}: {start[:5]} to {end[:5]} ends before it begins, or takes no time"
        for (_, before), (after, _) in itertools.pairwise(found):
            if after < before:
                yield f"{day}: the times overlap at {after[:5]}"
