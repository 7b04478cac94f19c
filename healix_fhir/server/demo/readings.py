"""The demo clinic's readings: a month of a watch, a scale and a cuff that one patient has at home, up to today."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from healix_fhir.care.wearables.source import Found

DAYS = 30
AWAKE = range(7, 23)
Fields = dict[str, Any]


def readings(now: datetime) -> Iterator[Found]:
    """Readings of the last month, made the same each time but for their dates."""
    chance = random.Random(2)  # noqa: S311 - invented data, no secret
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    lines = [one for day in range(DAYS) for one in _day(chance, day, today - timedelta(days=day))]
    past = [one for one in lines if datetime.fromisoformat(one.get("end") or one["time"]) < now]
    return (Found("", number, fields, apps=True) for number, fields in enumerate(past, 1))


def _day(chance: random.Random, ago: int, day: datetime) -> Iterator[Fields]:
    """One day: the heart by the hour, steps while awake, a night, and what is measured once in the morning."""
    for hour in range(0, 24, 2):
        rate = 64 + 9 * math.sin((hour - 8) / 24 * math.tau) + chance.uniform(-4, 4)
        yield _reading("Watch", "heart-rate", day + timedelta(hours=hour), round(rate))
    for hour in AWAKE:
        begin = day + timedelta(hours=hour)
        yield _reading("Watch", "steps", begin, chance.randint(60, 1100), begin + timedelta(hours=1))
    asleep = day - timedelta(minutes=chance.randint(20, 110))
    hours = round(chance.uniform(5.6, 8.3), 1)
    yield _reading("Watch", "sleep", asleep, f"{hours:.1f}", asleep + timedelta(hours=hours))
    morning = day + timedelta(hours=7, minutes=chance.randint(0, 40))
    pressure = f"{128 + chance.randint(-10, 16)}/{80 + chance.randint(-7, 12)}"
    yield _reading("Cuff", "blood-pressure", morning, pressure)
    yield _reading("Watch", "oxygen-saturation", morning, chance.choice((95, 96, 97, 98)))
    yield _reading("Scale", "weight", morning, f"{75 + ago * 0.05 + chance.uniform(-0.4, 0.4):.1f}")


def _reading(device: str, metric: str, time: datetime, value: float | str, end: datetime | None = None) -> Fields:
    lasting = {"end": end.isoformat()} if end is not None else {}
    return {"device": device, "metric": metric, "time": time.isoformat(), "value": str(value)} | lasting
