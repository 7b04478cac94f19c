"""Dates and times as SQL conditions: alone, both as one moment, and on clocks of other zones.

A pair of ranges of one form is one range of moments, as QIDO-RS requires. Where the query tells its zone, a value is
compared as a clock of that zone would have shown it, if its study tells its own zone; the bounds are moved to each zone
that there is, so that no stored value is computed with.

Spec: PS3.4 C.2.2.2.5 and C.4.1.1.3.1 (2024d); PS3.18 10.6.1.2.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import msgspec

from dicomweb.index import moments as m
from dicomweb.index.attributes import BY_KEYWORD, TIME_OF, Attribute
from healix_fhir.kernel.conditions import all_of, any_of
from healix_fhir.kernel.database import Fragment
from healix_fhir.kernel.errors import invalid

Key = tuple[Attribute, str]
Bounds = tuple[str, str]
STAY = timedelta()
ZONE = "s.timezone_offset"
NOWHERE: Bounds = (m.AFTER_ALL, m.FIRST)
"""Bounds between which nothing is."""


def moments(key: Key, other: Key | None, alias: str, zone: timedelta | None) -> Fragment:
    """The condition of a date or a time, and of the `other` of its pair. Raises Invalid for malformed values."""
    given = {one[0].vr: one for one in (key, other) if one is not None}
    days = _read(given["DA"], m.dates) if "DA" in given else None
    hours = _read(given["TM"], m.times) if "TM" in given else None
    if days is not None and hours is not None and not days.single and days.form == hours.form:
        both = m.combined(days, hours)
        return all_of(_moment(_column(alias, given["DA"][0]), _column(alias, given["TM"][0]), both, zone))
    parts = []
    if days is not None:
        parts.append(_days(given["DA"][0], alias, days, zone))
    if hours is not None:
        parts.append(_hours(_column(alias, given["TM"][0]), _sound(given["TM"], partial(m.checked, hours)), zone))
    return all_of(parts)


def _read(key: Key, read: Callable[[str], m.Interval]) -> m.Interval:
    return _sound(key, partial(read, key[1]))


def _sound(key: Key, make: Callable[[], m.Interval]) -> m.Interval:
    try:
        return make()
    except m.MalformedError as error:
        attribute = key[0]
        raise invalid(
            f"the value of {attribute.keyword} is no {attribute.vr} and no range of them", code="value"
        ) from error


def _column(alias: str, attribute: Attribute) -> str:
    return f"{alias}.{attribute.column}"


def _days(attribute: Attribute, alias: str, days: m.Interval, zone: timedelta | None) -> Fragment:
    """A day begins when it does in the zone of the query, for what has a time of day."""
    date = _column(alias, attribute)
    plain = _between(date, m.date_bounds(days))
    if zone is None or attribute.keyword not in TIME_OF:
        return plain
    time = _column(alias, BY_KEYWORD[TIME_OF[attribute.keyword]])
    timeless = all_of([Fragment(f"{time} IS NULL"), plain])
    return any_of([Fragment(f"({timeless.sql})", timeless.params), _strung(_moment(date, time, days, zone))])


def _hours(time: str, hours: m.Interval, zone: timedelta | None) -> Fragment:
    if zone is None:
        return _between(time, m.time_bounds(hours))
    return _zoned(time, lambda by: [m.time_bounds(one) for one in m.times_shifted(hours, by)], zone)


def _moment(date: str, time: str, both: m.Interval, zone: timedelta | None) -> list[Fragment]:
    """A date and a time within an interval; and the date alone, which an index finds."""
    together = f"{date} || {time}"
    if zone is None:
        low, high = m.bounds(both)
        return [_between(date, (low[:8], high[:8] + m.AFTER_ALL)), _between(f"({together})", (low, high))]
    low, high = m.bounds(m.Interval(m.shifted(both, -m.DAY).low, m.shifted(both, m.DAY).high))
    inside = _zoned(f"({together})", lambda by: [m.bounds(m.shifted(both, by))], zone)
    return [_between(date, (low[:8], high[:8] + m.AFTER_ALL)), inside]


def _between(value: str, bounds: Bounds) -> Fragment:
    parts = []
    if bounds[0] != m.FIRST:
        parts.append(Fragment(f"{value} >= %s", (bounds[0],)))
    if not bounds[1].startswith(m.AFTER_ALL):
        parts.append(Fragment(f"{value} < %s", (bounds[1],)))
    return all_of(parts) if parts else Fragment(f"{value} IS NOT NULL")


def _zoned(value: str, moved: Callable[[timedelta], list[Bounds]], zone: timedelta) -> Fragment:
    """The condition that a value lies between bounds that depend on the zone of its study."""
    plain = moved(STAY)
    each = {name: moved(offset - zone) for name, offset in m.OFFSETS.items()}
    arms = []
    for place in range(max(len(one) for one in each.values())):
        low, high = _at(plain, place)
        lows = {name: _at(one, place)[0] for name, one in each.items()}
        highs = {name: _at(one, place)[1] for name, one in each.items()}
        arms.append(
            Fragment(
                f"({value} >= coalesce(%s::jsonb ->> {ZONE}, %s) AND {value} < coalesce(%s::jsonb ->> {ZONE}, %s))",
                (_json(lows), low, _json(highs), high),
            )
        )
    return any_of(arms)


def _at(bounds: list[Bounds], place: int) -> Bounds:
    return bounds[place] if place < len(bounds) else NOWHERE


def _strung(parts: list[Fragment]) -> Fragment:
    joined = all_of(parts)
    return Fragment(f"({joined.sql})", joined.params)


def _json(values: dict[str, str]) -> str:
    return msgspec.json.encode(values).decode()
