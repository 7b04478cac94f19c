"""Readings of wearables: what is taken, what is refused, and the Observations that they become."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import encode
from healix_fhir.model.profile.judge import Extent, judge
from healix_fhir.model.validate import validate
from healix_fhir.operation.measurement import reading as reading_module
from healix_fhir.operation.measurement.metrics import METRICS
from healix_fhir.operation.measurement.observation import observation
from healix_fhir.operation.measurement.reading import CSV, JSON, NDJSON, Reading, Refused, reading, readings
from tests.support.profiles import library

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TIME = "2026-01-31T08:15:00.250+01:00"
VALUES: dict[str, Any] = {"blood-pressure": "120/80", "ecg": "0.1 0.2 -0.1"}
USUAL = {"oxygen-saturation": 97, "temperature": 37, "glucose": 100, "bmi": 22, "height": 170, "sleep": 8}


def fields(metric: str = "heart-rate", **others: Any) -> dict[str, Any]:
    """A reading as it is sent; `others` replace or add, None takes away."""
    made = {"device": "d", "metric": metric, "time": TIME, "value": VALUES.get(metric, str(USUAL.get(metric, 60)))}
    made |= {"period": 2} if metric == "ecg" else {}
    return {name: value for name, value in (made | others).items() if value is not None}


def read(**others: Any) -> Reading:
    """A reading that can be used."""
    found = reading(7, fields(**others), NOW)
    assert isinstance(found, Reading), found
    return found


@pytest.mark.spec("FHIR R4 observation-vitalsigns.html")
@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
@pytest.mark.parametrize("lasts", [False, True])
def test_each_metric_becomes_a_valid_observation(metric: Any, lasts: bool) -> None:
    """In each of its units, by R4 and by the profile that it claims."""
    for unit in metric.units:
        end = {"end": "2026-01-31T09:00:00+01:00"} if lasts else {}
        resource = observation(read(metric=metric.name, unit=unit.code, **end), "p", "d") | {"id": "x"}
        assert validate(resource, "Observation") == ()
        profiles = tuple(resource.get("meta", {}).get("profile", ()))
        issues = judge(resource, "Observation", Extent(profiles), library())
        assert [issue for issue in issues if issue.severity in ("error", "fatal")] == []


def test_a_reading_keeps_what_was_sent() -> None:
    """The digits of its value, its unit, and its time as an instant in UTC."""
    made = observation(read(metric="temperature", value="98.60", unit="°F"), "ada", "watch")
    assert encode(made["valueQuantity"]) == (
        b'{"value":98.60,"unit":"\xc2\xb0F","system":"http://unitsofmeasure.org","code":"[degF]"}'
    )
    assert (made["effectiveDateTime"], made["status"]) == ("2026-01-31T07:15:00.250Z", "final")
    assert (made["subject"], made["device"]) == ({"reference": "Patient/ada"}, {"reference": "Device/watch"})
    assert "interpretation" not in made


@pytest.mark.spec("FHIR R4 valueset-observation-interpretation.html")
@pytest.mark.parametrize(
    ("metric", "value", "unit", "marks", "status"),
    [
        ("heart-rate", "121", "", ["H"], "final"),
        ("heart-rate", "120", "", [], "final"),
        ("heart-rate", "40", "bpm", [], "final"),
        ("heart-rate", "39.9", "bpm", ["L"], "final"),
        ("heart-rate", "351", "bpm", ["HX"], "preliminary"),
        ("heart-rate", "0", "bpm", ["LX"], "preliminary"),
        ("temperature", "100.4", "[degF]", [], "final"),
        ("temperature", "100.5", "[degF]", ["H"], "final"),
        ("temperature", "95", "[degF]", [], "final"),
        ("temperature", "98.6", "Cel", ["HX"], "preliminary"),
        ("glucose", "4", "mmol/L", [], "final"),
        ("glucose", "3.8", "mmol/L", ["L"], "final"),
        ("ecg", "0 0 25", "", ["HX"], "preliminary"),
        ("steps", "-1", "", ["LX"], "preliminary"),
    ],
)
def test_what_is_unusual_is_marked_and_what_cannot_be_is_preliminary(
    metric: str, value: str, unit: str, marks: list[str], status: str
) -> None:
    """In whatever unit it comes; limits belong to the usual."""
    made = observation(read(metric=metric, value=value, unit=unit), "p", "d")
    assert [coding["code"] for one in made.get("interpretation", []) for coding in one["coding"]] == marks
    assert made["status"] == status


def test_each_part_of_a_blood_pressure_is_marked() -> None:
    """The systolic and the diastolic value by themselves."""
    made = observation(read(metric="blood-pressure", value="150/80"), "p", "d")
    assert [part.get("interpretation", [{"coding": [{"code": ""}]}])[0]["coding"][0]["code"] for part in made["component"]] == ["H", ""]  # fmt: skip  # noqa: E501
    assert [part["valueQuantity"]["value"] for part in made["component"]] == [Decimal(150), Decimal(80)]


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ({"metric": "mood"}, "there is no metric 'mood'"),
        ({"metric": None}, "'metric' is missing"),
        ({"device": None}, "'device' is missing"),
        ({"device": ""}, "'device' is missing"),
        ({"device": 7}, "'device' must be a text"),
        ({"device": "x" * 301}, "'device' must be a text"),
        ({"time": "yesterday"}, "'time' must be a time with its zone"),
        ({"time": "2026-01-31"}, "'time' must be a time with its zone"),
        ({"time": "2026-01-31T08:15:00"}, "'time' must be a time with its zone"),
        ({"time": "2026-02-30T08:15:00Z"}, "'time' must be a time with its zone"),
        ({"time": "2026-01-31T08:15:60Z"}, "'time' cannot be kept"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "'time' cannot be kept"),
        ({"time": "2026-01-31T12:05:01Z"}, "'time' lies in the future"),
        ({"end": "2026-01-31T07:14:59Z"}, "it ends before it begins"),
        ({"end": "2027-01-31T07:14:59Z"}, "'end' lies in the future"),
        ({"value": None}, "'value' is missing"),
        ({"value": "fast"}, "'fast' is no number"),
        ({"value": True}, "'True' is no number"),
        ({"value": "1e3"}, "'1e3' is no number"),
        ({"value": "NaN"}, "'NaN' is no number"),
        ({"value": {"x": 1}}, "is no number"),
        ({"value": "9" * 60}, "is no number"),
        ({"unit": "kg"}, "heart-rate is not measured in 'kg', but in /min"),
        ({"unit": 5}, "'unit' must be a text"),
        ({"period": 3}, "a heart-rate has no 'period'"),
        ({"colour": "red"}, "there is no field 'colour'"),
        ({"metric": "blood-pressure", "value": "120"}, "a blood-pressure has 2 values"),
        ({"metric": "blood-pressure", "value": 120}, "'value' must be a number, or several"),
        ({"metric": "ecg", "value": "1", "period": 2}, "a strip has 2 to"),
        ({"metric": "ecg", "value": "1 2", "period": None}, "'period' is missing"),
        ({"metric": "ecg", "value": "1 2", "period": 0}, "'period' must be more than 0"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(others: dict[str, Any], reason: str) -> None:
    """By the number of its line."""
    found = reading(7, fields(**others), NOW)
    assert isinstance(found, Refused)
    assert found.number == 7
    assert reason in found.reason


def test_the_clock_of_a_device_may_be_ahead() -> None:
    """By five minutes."""
    assert read(time="2026-01-31T12:05:00Z").time == datetime(2026, 1, 31, 12, 5, tzinfo=UTC)


BODIES = [
    (JSON, encode([fields(), fields(value=61)])),
    (JSON, encode({"measurements": [fields(), fields(value=61)]})),
    (NDJSON, encode(fields()) + b"\n\n" + encode(fields(value=61)) + b"\n"),
    (CSV, f"device,metric,time,value,unit\r\nd,heart-rate,{TIME},60,bpm\r\nd,heart-rate,{TIME},61,\r\n".encode()),
    (CSV, f"\ufeffdevice;metric;time;value\nd;heart-rate;{TIME};60\n\nd;heart-rate;{TIME};61\n".encode()),
]


@pytest.mark.parametrize(("content_type", "body"), BODIES)
def test_readings_come_in_json_ndjson_and_csv(content_type: str, body: bytes) -> None:
    """The same readings in each."""
    found = [one for one in readings(content_type, body, NOW) if isinstance(one, Reading)]
    assert [one.values for one in found] == [(Decimal(60),), (Decimal(61),)]
    assert len({msg.time for msg in found}) == 1


@pytest.mark.parametrize(
    ("content_type", "body", "number", "reason"),
    [
        (JSON, b"[3]", 1, "a reading is an object"),
        (NDJSON, b'\n{"device":', 2, "malformed JSON"),
        (NDJSON, b"[]", 1, "must be a JSON object"),
        (CSV, b"device,metric,time,value\nd,heart-rate\n", 2, "the line has 2 fields, the head 4"),
        (CSV, b'device,metric,time,value\n"d"x,heart-rate,t,1\n', 2, "the line cannot be read"),
    ],
)
def test_a_line_that_cannot_be_read_is_refused_by_itself(
    content_type: str, body: bytes, number: int, reason: str
) -> None:
    """With its number."""
    (found,) = readings(content_type, body, NOW)
    assert isinstance(found, Refused)
    assert found.number == number
    assert reason in found.reason


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON, b"{}"),
        (JSON, b'{"measurements": 3}'),
        (JSON, b'{"measurements": [], "more": 1}'),
        (JSON, b"["),
        (CSV, b""),
        (CSV, b"metric,time\n"),
        (CSV, b"device,metric,time,value,colour\n"),
        (CSV, b"device,metric,time,value,value\n"),
        (CSV, b"\xff\xfe"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_whole(content_type: str, body: bytes) -> None:
    """As invalid."""
    with pytest.raises(HealixError) as refused:
        list(readings(content_type, body, NOW))
    assert refused.value.category is Category.INVALID


def test_readings_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call brings more than it may."""
    monkeypatch.setattr(reading_module, "MOST", 2)
    with pytest.raises(HealixError) as refused:
        list(readings(JSON, encode([fields()] * 3), NOW))
    assert refused.value.category is Category.TOO_LARGE
