"""What the demo patients' devices have measured at home in the last three months, made the same each time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from healix_fhir.operation.measurement.observation import observation
from healix_fhir.operation.measurement.reading import Refused, reading

DAYS = 90
HYPERTENSIVE, DIABETIC = "demo-jonas", "demo-amara"

Fields = dict[str, Any]


def of(patient: str, today: datetime) -> list[dict[str, Any]]:
    """The devices of a demo patient and their readings until `today`; none of most."""
    if patient == HYPERTENSIVE:
        return [_device(patient, "watch", "Wrist watch"), *_observations(patient, "watch", _jonas(today), today)]
    if patient == DIABETIC:
        return [_device(patient, "meter", "Glucose meter"), *_observations(patient, "meter", _amara(today), today)]
    return []


def _device(patient: str, kind: str, name: str) -> dict[str, Any]:
    return {
        "resourceType": "Device",
        "id": f"{patient}-{kind}",
        "status": "active",
        "deviceName": [{"name": name, "type": "user-friendly-name"}],
        "patient": {"reference": f"Patient/{patient}"},
    }


def _observations(patient: str, kind: str, listed: Iterator[Fields], moment: datetime) -> Iterator[dict[str, Any]]:
    device = f"{patient}-{kind}"
    for number, fields in enumerate(listed, 1):
        match reading(number, fields | {"device": device}, moment):
            case Refused(_, reason):
                raise RuntimeError(f"a demo reading is refused: {reason}")
            case read:
                yield observation(read, patient, device) | {"id": f"{device}-{number}"}


def _jonas(today: datetime) -> Iterator[Fields]:
    """A blood pressure that comes down under treatment, and more steps from month to month."""
    chance = random.Random(HYPERTENSIVE)  # noqa: S311 - invented measurements
    for ago in reversed(range(DAYS)):
        midnight = (today - timedelta(days=ago)).replace(hour=0)
        past = (DAYS - ago) / DAYS
        systolic, diastolic = 151 - 18 * past + chance.gauss(0, 4), 93 - 9 * past + chance.gauss(0, 3)
        morning = _at(midnight, 7)
        yield _fields("blood-pressure", morning, f"{systolic:.0f}/{diastolic:.0f}")
        yield _fields("heart-rate", morning, f"{74 - 5 * past + chance.gauss(0, 3):.0f}")
        yield _fields("sleep", _at(midnight, -1), f"{chance.uniform(6, 8):.1f}", "h") | {"end": _at(midnight, 6)}
        if ago:  # today is not over
            steps = f"{max(800, 5200 + 3400 * past + chance.gauss(0, 1500)):.0f}"
            yield _fields("steps", midnight.isoformat(), steps) | {"end": _at(midnight, 23)}
        if ago % 7 == 0:
            yield _fields("weight", morning, f"{76.5 - 2 * past + chance.gauss(0, 0.3):.1f}", "kg")


def _amara(today: datetime) -> Iterator[Fields]:
    """Glucose before breakfast and after dinner, at times too high."""
    chance = random.Random(DIABETIC)  # noqa: S311 - invented measurements
    for ago in reversed(range(DAYS)):
        midnight = (today - timedelta(days=ago)).replace(hour=0)
        yield _fields("glucose", _at(midnight, 7), f"{chance.gauss(124, 14):.0f}", "mg/dL")
        if ago:
            yield _fields("glucose", _at(midnight, 20), f"{chance.gauss(164, 24):.0f}", "mg/dL")


def _at(midnight: datetime, hour: int) -> str:
    return (midnight + timedelta(hours=hour)).isoformat()


def _fields(metric: str, time: str, value: str, unit: str | None = None) -> Fields:
    return {"metric": metric, "time": time, "value": value} | ({} if unit is None else {"unit": unit})
