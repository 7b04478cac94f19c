"""What two of the demo patients' devices have measured at home in the last three months, up to today."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from healix_fhir.care.wearables.source import Found
from healix_fhir.server.demo.treatment import DIABETIC, HYPERTENSIVE

DAYS = 90
CLOSELY = 14
"""So many days the heart is there hour by hour."""
AWAKE = range(7, 23)
Fields = dict[str, Any]


def readings(now: datetime) -> Iterator[tuple[str, Iterator[Found]]]:
    """Who measures at home, and the readings until `now`, the same each time but for their dates."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for patient, of_day in PATIENTS.items():
        chance = random.Random(patient)  # noqa: S311 - invented data, no secret
        lines = [one for ago in range(DAYS) for one in of_day(chance, ago, today - timedelta(days=ago))]
        past = [one for one in lines if datetime.fromisoformat(one.get("end") or one["time"]) < now]
        yield patient, (Found("", number, fields, apps=True) for number, fields in enumerate(past, 1))


def _hypertensive(chance: random.Random, ago: int, day: datetime) -> Iterator[Fields]:
    """A pressure that comes down under treatment, and more steps from month to month."""
    treated = (DAYS - ago) / DAYS
    if ago < CLOSELY:
        for hour in range(0, 24, 2):
            rate = 64 + 9 * math.sin((hour - 8) / 24 * math.tau) + chance.uniform(-4, 4)
            yield _reading("Watch", "heart-rate", day + timedelta(hours=hour), round(rate))
    steps = round(5200 + 3000 * treated + chance.gauss(0, 1200))
    yield _reading("Watch", "steps", day + timedelta(hours=AWAKE.start), steps, day + timedelta(hours=AWAKE.stop))
    asleep = day - timedelta(minutes=chance.randint(20, 110))
    hours = round(chance.uniform(5.6, 8.3), 1)
    yield _reading("Watch", "sleep", asleep, f"{hours:.1f}", asleep + timedelta(hours=hours))
    morning = day + timedelta(hours=7, minutes=chance.randint(0, 40))
    systolic, diastolic = 151 - 18 * treated + chance.gauss(0, 4), 93 - 9 * treated + chance.gauss(0, 3)
    yield _reading("Cuff", "blood-pressure", morning, f"{systolic:.0f}/{diastolic:.0f}")
    yield _reading("Watch", "oxygen-saturation", morning, chance.choice((95, 96, 97, 98)))
    if ago % 7 == 0:
        yield _reading("Scale", "weight", morning, f"{76.5 - 2 * treated + chance.uniform(-0.4, 0.4):.1f}")


def _diabetic(chance: random.Random, ago: int, day: datetime) -> Iterator[Fields]:
    """Glucose before breakfast and after dinner; last evening it was too high."""
    yield _reading("Meter", "glucose", day + timedelta(hours=7), f"{chance.gauss(124, 14):.0f}")
    evening = min(chance.gauss(160, 18), 200) if ago > 1 else 243
    yield _reading("Meter", "glucose", day + timedelta(hours=20), f"{evening:.0f}")


PATIENTS: dict[str, Callable[[random.Random, int, datetime], Iterator[Fields]]] = {
    HYPERTENSIVE: _hypertensive,
    DIABETIC: _diabetic,
}


def _reading(device: str, metric: str, time: datetime, value: float | str, end: datetime | None = None) -> Fields:
    lasting = {"end": end.isoformat()} if end is not None else {}
    return {"device": device, "metric": metric, "time": time.isoformat(), "value": str(value)} | lasting
