"""A clinic's charts as NDJSON of any length, as another server would export them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from tests.support.resources import LOINC, UCUM, Json, encounter, observation, patient

VISITS, READINGS = 4, 25
CHART = 1 + VISITS + READINGS
"""Resources for each patient."""

VITALS = (
    ("8867-4", "Heart rate", "/min", 60),
    ("8310-5", "Body temperature", "Cel", 36),
    ("2708-6", "Oxygen saturation", "%", 95),
    ("29463-7", "Body weight", "kg", 70),
    ("9279-1", "Respiratory rate", "/min", 14),
)
START = datetime(2015, 1, 1, 8, tzinfo=UTC)


def chart(number: int) -> Iterator[Json]:
    """One patient with visits and what was measured at them."""
    who = f"chart-{number}"
    yield patient(
        id=who,
        identifier=[{"system": "urn:oid:2.16.840.1.113883.19.5", "value": f"MRN-{number:08}"}],
        name=[{"use": "official", "family": f"Family{number % 997}", "given": [f"Given{number % 89}", "Ada"]}],
        birthDate=f"{1930 + number % 90}-{1 + number % 12:02}-{1 + number % 28:02}",
    )
    visits = [START + timedelta(days=number % 365 + 180 * visit, minutes=number % 480) for visit in range(VISITS)]
    for visit, at in enumerate(visits):
        period = {"start": at.isoformat(), "end": (at + timedelta(minutes=30)).isoformat()}
        yield encounter(f"Patient/{who}", id=f"{who}-visit-{visit}", period=period)
    for reading in range(READINGS):
        code, display, unit, normal = VITALS[reading % len(VITALS)]
        at = visits[reading % VISITS] + timedelta(minutes=reading)
        yield observation(
            f"Patient/{who}",
            id=f"{who}-reading-{reading}",
            code={"coding": [{"system": LOINC, "code": code, "display": display}], "text": display},
            encounter={"reference": f"Encounter/{who}-visit-{reading % VISITS}"},
            effectiveDateTime=at.isoformat(),
            issued=(at + timedelta(minutes=1)).isoformat(),
            valueQuantity={"value": normal + (number + reading) % 30 / 10, "unit": unit, "system": UCUM, "code": unit},
        )


def write_charts(path: Path, patients: int) -> int:
    """Write the charts of so many patients to `path`; the number of lines."""
    with path.open("wb") as file:
        for number in range(patients):
            file.writelines(orjson.dumps(resource) + b"\n" for resource in chart(number))
    return patients * CHART
