"""Observations read as readings."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from healix_fhir.operation.measurement.measured import measured
from healix_fhir.operation.measurement.metrics import METRICS
from healix_fhir.operation.measurement.observation import observation
from healix_fhir.operation.measurement.reading import Reading, Refused, reading

MOMENT = datetime(2026, 2, 1, tzinfo=UTC)


def sent(metric: str, value: str, unit: str = "", **further: str) -> dict[str, Any]:
    """The Observation of a reading as it is ingested."""
    fields = {"device": "w", "metric": metric, "time": "2026-01-02T03:04:05Z", "value": value, "unit": unit}
    made = reading(1, fields | further, MOMENT)
    assert isinstance(made, Reading), made
    return observation(made, "ada", "w")


@pytest.mark.parametrize(
    ("metric", "value", "unit", "values", "text"),
    [
        ("heart-rate", "61", "bpm", ["61"], "61 /min"),
        ("temperature", "98.6", "F", ["37.0"], "98.6 °F"),
        ("weight", "70500", "g", ["70.5"], "70500 g"),
        ("blood-pressure", "120/80", "", ["120", "80"], "120/80 mmHg"),
        ("glucose", "5.5", "mmol/L", ["99.0858"], "5.5 mmol/L"),
        ("sleep", "450", "min", ["7.5"], "450 min"),
    ],
)
def test_what_is_ingested_is_read_again(metric: str, value: str, unit: str, values: list[str], text: str) -> None:
    """Every reading is read back in the metric's first unit, with the text that was sent."""
    found = measured(sent(metric, value, unit))
    assert found is not None
    assert [round(one, 6) for one in found.values] == [Decimal(one) for one in values]
    assert (found.metric.name, found.text, found.valid, found.device) == (metric, text, True, "Device/w")
    assert found.at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_what_cannot_be_is_told_apart() -> None:
    """A reading that cannot be right is marked and does not count."""
    found = measured(sent("heart-rate", "900"))
    assert found is not None
    assert (found.mark, found.valid) == ("HX", False)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:00:00Z"])
def test_at_the_edge_of_the_calendar_there_is_no_reading(at: str) -> None:
    """What is not of a day in every zone counts for none."""
    assert measured(sent("heart-rate", "61") | {"effectiveDateTime": at}) is None


def test_a_strip_has_no_single_value() -> None:
    """An ECG is a reading without values."""
    found = measured(sent("ecg", "1 2 3", "mV", period="2"))
    assert found is not None
    assert (found.values, found.text) == ((), "")


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "entered-in-error"},
        {"code": {"coding": [{"system": "http://loinc.org", "code": "0-0"}]}},
        {"code": {"text": "Heart rate"}},
        {"valueQuantity": {"value": 61, "unit": "/min"}},
        {"valueQuantity": {"value": 61, "system": "http://unitsofmeasure.org", "code": "kg"}},
        {"valueQuantity": {"value": 61, "comparator": "<", "system": "http://unitsofmeasure.org", "code": "/min"}},
        {"effectiveDateTime": ""},
    ],
)
def test_what_is_no_reading(changed: dict[str, Any]) -> None:
    """Other codes and units, what has no time, and what was entered in error, are no readings."""
    assert measured(sent("heart-rate", "61") | changed) is None


def test_every_metric_has_a_code_of_its_own() -> None:
    """No two metrics share a LOINC code, so that each is read back as what it is."""
    codes = [metric.loinc[0] for metric in METRICS.values()]
    assert len(set(codes)) == len(codes)
    assert not isinstance(reading(1, {}, MOMENT), Reading)
    assert isinstance(reading(1, {}, MOMENT), Refused)
