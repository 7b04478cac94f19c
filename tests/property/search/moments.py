"""Random dates in resources, and searches for them with a naive reading of the page on dates and on prefixes.

A date covers the milliseconds from one to before another, counted from the start of the first century; infinity where
a period is open. A date or time without a zone is of UTC.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TypeAlias

from tests.property.search.question import Json, Question, as_test

Span: TypeAlias = tuple[float, float]
DAY = 24 * 3600 * 1000
ZONES = {"Z": 0, "": 0, "+00:00": 0, "+02:00": 120, "-05:30": -330, "+14:00": 840}
"""Minutes ahead of UTC."""


def written(random: Random, *, zoned: bool = False) -> tuple[str, Span]:
    """A date of any precision, and what it covers; few days and times, so that many of them meet at their ends."""
    year, month, day = random.choice([2019, 2020]), random.choice([1, 2, 12]), random.choice([1, 28, 31])
    day = 29 if month == 2 and day == 31 and year == 2020 else min(day, 28) if month == 2 else day
    precision = random.randrange(3, 6) if zoned else random.randrange(6)
    if precision == 0:
        return f"{year}", (_midnight(year, 1, 1), _midnight(year + 1, 1, 1))
    if precision == 1:
        after = (year + 1, 1) if month == 12 else (year, month + 1)
        return f"{year}-{month:02d}", (_midnight(year, month, 1), _midnight(*after, 1))
    start = _midnight(year, month, day)
    text = f"{year}-{month:02d}-{day:02d}"
    if precision == 2:
        return text, (start, start + DAY)
    zone = random.choice([zone for zone in ZONES if zone or not zoned])
    hour, minute, second, milli = random.choice([0, 12, 23]), random.choice([0, 59]), random.choice([0, 59]), 500
    start += ((hour * 60 + minute - ZONES[zone]) * 60 + second) * 1000
    if precision == 3:
        return f"{text}T{hour:02d}:{minute:02d}:{second:02d}{zone}", (start, start + 1000)
    digits = random.choice([1, 3])
    width = 10 ** (3 - digits)
    return (
        f"{text}T{hour:02d}:{minute:02d}:{second:02d}.{'5' if digits == 1 else '500'}{zone}",
        (start + milli, start + milli + width),
    )


def _midnight(year: int, month: int, day: int) -> int:
    return date(year, month, day).toordinal() * DAY


def moment(milliseconds: float) -> datetime:
    """The end of a span as Python tells it."""
    return datetime.fromordinal(1).replace(tzinfo=UTC) + timedelta(milliseconds=milliseconds - DAY)


def span_of(value: str | Json, covered: dict[str, Span]) -> Span | None:
    """What a date, Period or Timing says; `covered` tells it of each text."""
    if isinstance(value, str):
        return covered[value]
    if "repeat" in value or "event" in value:
        bounds = value.get("repeat", {}).get("boundsPeriod")
        spans = [covered[event] for event in value.get("event", ())]
        spans += [found] if bounds and (found := span_of(bounds, covered)) else []
        return (min(lo for lo, _ in spans), max(hi for _, hi in spans)) if spans else None
    start, end = value.get("start"), value.get("end")
    if start is None and end is None:
        return None
    return covered[start][0] if start else -math.inf, covered[end][1] if end else math.inf


def _within(one: Span, other: Span) -> bool:
    return other[0] <= one[0] and one[1] <= other[1]


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _about(asked: Span) -> Span:
    """A tenth of the distance from now on either side."""
    today = datetime.now(UTC)
    now = today.toordinal() * DAY + (today - today.replace(hour=0, minute=0, second=0)).total_seconds() * 1000
    return asked[0] - abs(now - asked[0]) / 10, asked[1] + abs(now - asked[1]) / 10


PREFIXES: dict[str, Callable[[Span, Span], bool]] = {
    "eq": _within,
    "ne": lambda target, asked: not _within(target, asked),
    "gt": lambda target, asked: _overlap(target, (asked[1], math.inf)),
    "lt": lambda target, asked: _overlap(target, (-math.inf, asked[0])),
    "ge": lambda target, asked: _overlap(target, (asked[1], math.inf)) or _within(target, asked),
    "le": lambda target, asked: _overlap(target, (-math.inf, asked[0])) or _within(target, asked),
    "sa": lambda target, asked: _within(target, (asked[1], math.inf)),
    "eb": lambda target, asked: _within(target, (-math.inf, asked[0])),
    "ap": lambda target, asked: _overlap(target, _about(asked)),
}
"""The page's words: `above` what is asked for are all times from its end on, `below` all before its start.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#prefix
"""


def date_question(random: Random, type_name: str, name: str, spans: Callable[[Json], list[Span]]) -> Question:
    """A search for a date with a prefix, or none."""
    text, asked = written(random)
    prefix = random.choice(["", *PREFIXES])
    compares = PREFIXES[prefix or "eq"]
    return Question(
        type_name,
        name,
        prefix + text,
        lambda resource: any(compares(span, asked) for span in spans(resource)),
        as_test(name, prefix or "eq", text),
    )
