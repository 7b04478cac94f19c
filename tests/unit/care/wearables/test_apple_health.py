"""The export of Apple Health becomes readings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from healix_fhir.care.wearables.apple_health import Export, strip
from healix_fhir.kernel.errors import HealixError
from healix_fhir.operation.measurement.reading import Reading, Refused, reading

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE HealthData [
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation)*)>
<!ATTLIST Record type CDATA #REQUIRED>
]>
<HealthData locale="en_US">
"""
MOMENT = datetime(2026, 6, 1, tzinfo=UTC)
Q = "HKQuantityTypeIdentifier"


def record(kind: str, value: str, unit: str, begin: str = "08:00:00", end: str = "08:00:00") -> str:
    """A Record of a day."""
    dates = f'startDate="2026-01-02 {begin} +0100" endDate="2026-01-02 {end} +0100"'
    return f'<Record type="{kind}" sourceName="Ada&#8217;s Watch" unit="{unit}" {dates} value="{value}"/>\n'


def found(*records: str, head: str = HEAD, size: int = 7) -> list[Reading | Refused]:
    """The readings of an export, which comes in small pieces."""
    body = (head + "".join(records) + "</HealthData>").encode()

    def pieces() -> Iterator[bytes]:
        yield from (body[start : start + size] for start in range(0, len(body), size))

    return [one if isinstance(one, Refused) else reading(n, one, MOMENT) for n, one in Export().lines(pieces())]


@pytest.mark.parametrize(
    ("kind", "value", "unit", "metric", "values", "code"),
    [
        (f"{Q}HeartRate", "72", "count/min", "heart-rate", "72", "/min"),
        (f"{Q}OxygenSaturation", "0.97", "%", "oxygen-saturation", "97", "%"),
        (f"{Q}RespiratoryRate", "15.5", "count/min", "respiratory-rate", "15.5", "/min"),
        (f"{Q}BodyTemperature", "98.6", "degF", "temperature", "98.6", "[degF]"),
        (f"{Q}BodyMass", "154.5", "lb", "weight", "154.5", "[lb_av]"),
        (f"{Q}Height", "1.72", "m", "height", "172", "cm"),
        (f"{Q}Height", "5.75", "ft", "height", "69", "[in_i]"),
        (f"{Q}BodyMassIndex", "22.4", "count", "bmi", "22.4", "kg/m2"),
        (f"{Q}BloodGlucose", "5.4", "mmol&lt;180.1558800000541&gt;/L", "glucose", "5.4", "mmol/L"),
        (f"{Q}HeartRateVariabilitySDNN", "41.2", "ms", "heart-rate-variability", "41.2", "ms"),
    ],
)
def test_records_become_readings(kind: str, value: str, unit: str, metric: str, values: str, code: str) -> None:
    """Each type that has a metric, in the units that Apple writes."""
    (made,) = found(record(kind, value, unit))
    assert isinstance(made, Reading), made
    assert (made.metric.name, str(made.values[0]), made.unit.code) == (metric, values, code)
    assert (made.time, made.device, made.end) == (
        datetime(2026, 1, 2, 7, tzinfo=UTC),
        "Ada\N{RIGHT SINGLE QUOTATION MARK}s Watch",
        None,
    )


def test_steps_have_an_end() -> None:
    """Steps are about a time."""
    (made,) = found(record(f"{Q}StepCount", "120", "count", end="08:10:00"))
    assert isinstance(made, Reading)
    assert made.end == datetime(2026, 1, 2, 7, 10, tzinfo=UTC)


def test_a_blood_pressure_is_taken_once() -> None:
    """A correlation is one reading; the records that it is made of stand for themselves too, and are left out."""
    pair = record(f"{Q}BloodPressureSystolic", "121", "mmHg") + record(f"{Q}BloodPressureDiastolic", "79", "mmHg")
    dates = 'startDate="2026-01-02 08:00:00 +0100" endDate="2026-01-02 08:00:00 +0100"'
    whole = (
        f'<Correlation type="HKCorrelationTypeIdentifierBloodPressure" sourceName="Cuff" {dates}>{pair}</Correlation>'
    )
    (made,) = found(pair, whole)
    assert isinstance(made, Reading)
    assert list(map(str, made.values)) == ["121", "79"]


def test_phases_of_sleep_are_a_night() -> None:
    """What was slept is one reading a night; being in bed and awake is none, and what overlaps counts once."""
    sleep, asleep = "HKCategoryTypeIdentifierSleepAnalysis", "HKCategoryValueSleepAnalysisAsleep"
    made = found(
        record(sleep, "HKCategoryValueSleepAnalysisInBed", "", "00:00:00", "08:00:00"),
        record(sleep, f"{asleep}Core", "", "00:30:00", "02:00:00"),
        record(sleep, f"{asleep}Deep", "", "01:30:00", "03:00:00"),
        record(sleep, "HKCategoryValueSleepAnalysisAwake", "", "03:00:00", "03:30:00"),
        record(sleep, f"{asleep}REM", "", "03:30:00", "06:00:00"),
        record(sleep, f"{asleep}Unspecified", "", "14:00:00", "14:45:00"),
    )
    assert all(isinstance(one, Reading) for one in made), made
    assert [str(one.values[0]) for one in made if isinstance(one, Reading)] == ["300", "45"]


def test_what_is_no_metric_is_counted() -> None:
    """Other types are counted and left out."""
    export = Export()
    body = HEAD + record(f"{Q}ActiveEnergyBurned", "1", "kcal") * 3 + "</HealthData>"
    assert list(export.lines([body.encode()])) == []
    assert export.skipped == {f"{Q}ActiveEnergyBurned": 3}


def test_bad_records_are_refused_by_their_line() -> None:
    """A value that is none, an unknown unit, a time in the future: refused with the line, the others are kept."""
    bad = [record(f"{Q}OxygenSaturation", "much", "%"), record(f"{Q}BodyMass", "11", "st")]
    ahead = record(f"{Q}HeartRate", "72", "count/min").replace("2026", "2096")
    made = found(*bad, ahead, record(f"{Q}HeartRate", "72", "count/min"))
    refused = [(one.number, one.reason) for one in made if isinstance(one, Refused)]
    assert [number for number, _ in refused] == [7, 8, 9]
    assert "'much' is no number" in refused[0][1]
    assert "'st'" in refused[1][1]
    assert "future" in refused[2][1]
    assert len(made) == 4


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE HealthData [<!ENTITY a "aaaa">]><HealthData>&a;',
        '<!DOCTYPE HealthData [<!ENTITY a SYSTEM "file:///etc/passwd">]><HealthData>',
        '<!DOCTYPE HealthData [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]><HealthData>',
        "<Bundle>",
        "<HealthData>" + "<a>" * 60,
    ],
)
def test_hostile_xml_is_refused(head: str) -> None:
    """Entities, other files, other documents and endless nesting end the import."""
    with pytest.raises(HealixError):
        found(head=head, size=4096)


def test_a_file_that_is_cut_off_keeps_what_came_before() -> None:
    """What was read before the end is kept, and the end told."""
    body = HEAD + record(f"{Q}HeartRate", "72", "count/min") + "<Record type="
    made = [fields for _, fields in Export().lines([body.encode()])]
    assert len(made) == 2
    assert isinstance(made[1], Refused)


STRIP = """Name,Ada
Recorded Date,2026-01-02 08:00:00 +0100
Software Version,1
Device,"Watch6,1"
Sample Rate,512 hertz

Lead,Lead I
Unit,µV

-10.5
3
4,25
"""


def test_a_strip() -> None:
    """An ECG has its samples with their distance; of a head that lacks something it is refused by name."""
    _, fields = strip(1, "ecg.csv", STRIP)
    assert isinstance(fields, dict)
    made = reading(1, fields, MOMENT)
    assert isinstance(made, Reading), made
    assert list(map(str, made.values)) == ["-10.5", "3", "4.25"]
    assert (str(made.period), made.unit.code) == ("1.953125", "uV")
    _, refused = strip(1, "ecg.csv", STRIP.replace("Unit,µV\n", ""))
    assert isinstance(refused, Refused)
    assert "'Unit'" in refused.reason
