"""ECG strips read from Observations."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from healix_fhir.operation.measurement.strip import strip_of

UCUM = "http://unitsofmeasure.org"


def ecg(**more: Any) -> dict[str, Any]:
    """An Observation with a strip."""
    data = {
        "origin": {"value": Decimal(10), "system": UCUM, "code": "uV"},
        "period": Decimal(4),
        "factor": Decimal(2),
        "lowerLimit": Decimal(-100),
        "dimensions": 1,
        "data": "0 E 495 L U x",
    }
    return {
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "11524-6"}]},
        "effectiveDateTime": "2026-01-02T03:04:05Z",
        "valueSampledData": data | more,
    }


@pytest.mark.spec("FHIR R4 datatypes.html#SampledData")
def test_a_strip_is_in_millivolts() -> None:
    """Origin and factor make the value, in whatever unit of voltage; what is no number is a gap."""
    strip = strip_of(ecg())
    assert strip is not None
    assert strip.samples == [0.01, None, 1.0, -0.19, None, None]
    assert (strip.period, strip.lowest, strip.highest, strip.cut) == (0.004, -0.19, 1.0, False)


@pytest.mark.parametrize(
    "more",
    [{"origin": {"value": 0, "system": UCUM, "code": "kg"}}, {"origin": {}}, {"dimensions": 2}, {"period": 0},
     {"data": "E E"}, {"data": "NaN inf"}, {"period": Decimal("1e9")}],
)  # fmt: skip
def test_what_is_no_strip(more: dict[str, Any]) -> None:
    """Another unit, several leads, no time between samples, or no sample at all."""
    assert strip_of(ecg(**more)) is None
    assert strip_of(ecg() | {"status": "entered-in-error"}) is None


def test_a_long_strip_is_cut() -> None:
    """No more than a minute is read, however long the data are."""
    strip = strip_of(ecg(data="1 " * 200_000, period=Decimal("0.5")))
    assert strip is not None
    assert (len(strip.samples), strip.cut) == (60_000, True)
    strip = strip_of(ecg(data="1 " * 100, period=Decimal(1000)))
    assert strip is not None
    assert (strip.seconds, strip.cut) == (60.0, True)
