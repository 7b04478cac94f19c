"""How far a target is reached: from where, where it stands, the way between in percent, and how long it has been met.

* **The value of a day** is the last of the day, or the sum where what is measured adds up, of the device whose sum is
  the largest. A day of sums that is not over counts only once its outcome cannot change: the least is reached, or the
  most exceeded.
* **The baseline** is the last value before the start; without one, or without a start, the first value. Sums
  begin at nothing.
* **Percent** of the way from the baseline to the nearest limit, 100 only when the target is met, never below 0. Where
  the baseline met the target already there is no such way: 100 or 0.
* **Streak in days**: days in a row on which the value met the target, until today. Today ends no streak; a day
  without a value does.
* **Streak in weeks** (Monday to Sunday): weeks in a row whose days, on average, met the target. The week that is not
  over ends no streak; a week without values does.
* **Trend**: the days of the last week that has values, on average, against those of the week before, or else the
  baseline. What differs by no more than a twentieth of the greater distance is no change.

After the due day nothing counts any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum

import msgspec

from healix_fhir.operation.figures import short
from healix_fhir.operation.goal.reading import Reading
from healix_fhir.operation.goal.target import Bounds, Target

ALL, NEARLY = 100, 99
DAY, WEEK = timedelta(days=1), timedelta(days=7)
SLACK = Decimal("0.05")
NOTHING = Decimal(0)


class Trend(Enum):
    """Where the values go: to the target, away from it, or neither."""

    IMPROVING = "improving"
    WORSENING = "worsening"
    NO_CHANGE = "no-change"


class Point(msgspec.Struct, frozen=True):
    """The value of a day."""

    day: date
    value: Decimal


class Progress(msgspec.Struct, frozen=True):
    """How far a target is reached. Of `last` the value counts at present; `sources` are the Observations that it is of.

    `over`: the due day has passed. `days`, `weeks` and `longest` (days) are streaks. `series` has the value of each day
    since the start, the oldest first.
    """

    target: Target
    bounds: Bounds
    baseline: Decimal | None = None
    baseline_day: date | None = None
    last: Point | None = None
    percent: int = 0
    met: bool = False
    over: bool = False
    days: int = 0
    weeks: int = 0
    longest: int = 0
    trend: Trend | None = None
    series: tuple[Point, ...] = ()
    sources: tuple[str, ...] = ()


def progress(target: Target, readings: Sequence[Reading], start: date | None, today: date) -> Progress:
    """How far a target is on a day; `readings` are in order of time."""
    over = target.due is not None and target.due < today
    end = target.due if over and target.due is not None else today
    known = [one for one in readings if one.day <= end]
    since = [one for one in known if start is None or one.day >= start]
    baseline, baseline_day = _baseline(target, known, since)
    bounds = target.bounds.seen_from(baseline)
    values = _by_day(since, summed=target.summed)
    open_day = end if target.summed and not over and not _decided(bounds, values.get(end)) else None
    counted = {day: value for day, value in values.items() if day != open_day}
    last = _last(counted, baseline, baseline_day)
    met = last is not None and bounds.hold(last.value)
    streak = _Streak(bounds, counted)
    return Progress(
        target,
        bounds,
        baseline,
        baseline_day,
        last,
        _percent(bounds, baseline, last),
        met,
        over,
        streak.days(end, over=over),
        streak.weeks(end, over=over),
        streak.longest(),
        _trend(bounds, counted, baseline),
        tuple(Point(day, value) for day, value in values.items()),
        _sources(known, last, summed=target.summed),
    )


def _baseline(target: Target, known: Sequence[Reading], since: Sequence[Reading]) -> tuple[Decimal | None, date | None]:
    if target.summed:
        return NOTHING, None
    before = known[: len(known) - len(since)]
    first = before[-1] if before else since[0] if since else None
    return (first.value, first.day) if first is not None else (None, None)


def _by_day(readings: Sequence[Reading], *, summed: bool) -> dict[date, Decimal]:
    found = _sums(readings) if summed else {one.day: one.value for one in readings}
    return dict(sorted(found.items()))


def _sums(readings: Sequence[Reading]) -> dict[date, Decimal]:
    """The largest of the sums that devices come to: a watch and a telephone count the same steps. Of what one device
    says twice of one moment the larger value counts.
    """
    told: dict[tuple[date, str], dict[datetime, Decimal]] = defaultdict(dict)
    for one in readings:
        each = told[one.day, one.device]
        each[one.at] = max(one.value, each.get(one.at, one.value))
    found: dict[date, Decimal] = {}
    for (day, _), each in told.items():
        found[day] = max(sum(each.values(), NOTHING), found.get(day, NOTHING))
    return found


def _decided(bounds: Bounds, value: Decimal | None) -> bool:
    """Whether the sum of a day that is not over can change its outcome no more: sums only grow."""
    if value is None:
        return False
    exceeds = bounds.high is not None and not Bounds(high=bounds.high, high_included=bounds.high_included).hold(value)
    return exceeds or (bounds.high is None and bounds.hold(value))


def _last(counted: Mapping[date, Decimal], baseline: Decimal | None, baseline_day: date | None) -> Point | None:
    if counted:
        day = max(counted)
        return Point(day, counted[day])
    return Point(baseline_day, baseline) if baseline is not None and baseline_day is not None else None


def _sources(known: Sequence[Reading], last: Point | None, *, summed: bool) -> tuple[str, ...]:
    of_day = [one.observation for one in known if last is not None and one.day == last.day]
    return tuple(of_day if summed else of_day[-1:])


def _percent(bounds: Bounds, baseline: Decimal | None, last: Point | None) -> int:
    if last is None:
        return 0
    if bounds.hold(last.value):
        return ALL
    way = bounds.distance(baseline) if baseline is not None else NOTHING
    if not way:
        return 0
    return max(0, min(NEARLY, int((way - bounds.distance(last.value)) * ALL / way)))


def _trend(bounds: Bounds, counted: Mapping[date, Decimal], baseline: Decimal | None) -> Trend | None:
    if not counted:
        return None
    newest = max(counted)
    recent = [value for day, value in counted.items() if day > newest - WEEK]
    earlier = [value for day, value in counted.items() if newest - 2 * WEEK < day <= newest - WEEK]
    if not earlier:
        if baseline is None or (len(counted) == 1 and counted[newest] == baseline):
            return None
        earlier = [baseline]
    now, then = (bounds.distance(_mean(values)) for values in (recent, earlier))
    if abs(then - now) <= SLACK * max(now, then):
        return Trend.NO_CHANGE
    return Trend.IMPROVING if now < then else Trend.WORSENING


def _mean(values: Sequence[Decimal]) -> Decimal:
    return short(sum(values, NOTHING) / len(values))


class _Streak:
    """How long the values of days met their limits."""

    def __init__(self, bounds: Bounds, counted: Mapping[date, Decimal]) -> None:
        self._met = {day for day, value in counted.items() if bounds.hold(value)}
        weeks: dict[date, list[Decimal]] = defaultdict(list)
        for day, value in counted.items():
            weeks[_monday(day)].append(value)
        self._weeks = {monday for monday, values in weeks.items() if bounds.hold(_mean(values))}

    def days(self, end: date, *, over: bool) -> int:
        return _run(self._met, end, DAY, over=over)

    def weeks(self, end: date, *, over: bool) -> int:
        return _run(self._weeks, _monday(end), WEEK, over=over)

    def longest(self) -> int:
        ends = (day for day in self._met if day + DAY not in self._met)
        return max((_run(self._met, day, DAY, over=True) for day in ends), default=0)


def _run(met: set[date], end: date, step: timedelta, *, over: bool) -> int:
    """How many in a row are `met` until `end`, which ends nothing while it is not over."""
    begin = end if end in met or over else end - step
    return sum(1 for _ in _back(met, begin, step))


def _back(met: set[date], day: date, step: timedelta) -> Iterator[date]:
    while day in met:
        yield day
        day -= step


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
