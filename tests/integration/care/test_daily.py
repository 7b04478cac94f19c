"""Daily summaries follow the readings, through the outbox; trends are computed from them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from healix_fhir.care import daily, glance
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.json import decode
from healix_fhir.model.validate import validate
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.consents import consent, deny, instances
from tests.support.fhir_server import BASE, SYSTEM, of_patient, rows, serve
from tests.support.gate import Pool
from tests.support.operation import run
from tests.support.search import Clinic

VIENNA = ZoneInfo("Europe/Vienna")


def reading(
    id_: str, at: str, value: float, code: str = "8867-4", unit: str = "/min", **elements: Any
) -> dict[str, Any]:
    """A reading of p1."""
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": at,
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": unit},
    } | elements


@pytest.fixture
def clinic(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """Two patients; summaries are made at once."""
    monkeypatch.setattr(daily, "LATER", 0)
    monkeypatch.setattr(daily, "REST", 0)
    clinic = Clinic(pool)
    clinic.put({"resourceType": "Patient", "id": "p1"}, {"resourceType": "Patient", "id": "p2"})
    return clinic


def work(pool: Pool) -> None:
    """Handle all events that are due."""
    consumers = {
        "resource": [daily.marker(VIENNA), glance.consumer(daily.onlooker(VIENNA))],
        daily.TOPIC: [daily.consumer(VIENNA, (BASE,))],
    }
    with pool.connection() as connection:
        while drain(connection, consumers):
            pass
    assert rows(pool, "SELECT topic FROM outbox") == []


def summaries(pool: Pool) -> dict[tuple[str, str], dict[str, Any]]:
    """The figures of the summaries that there are, by series and begin, with their versions."""
    found = {}
    for id_, version, body in rows(pool, "SELECT id, version, body FROM resource WHERE id LIKE 'd-%%' AND NOT deleted"):
        resource = decode(body)
        assert validate(resource, "Observation") == (), id_
        figures = {part["code"]["coding"][0]["code"]: part["valueQuantity"]["value"] for part in resource["component"]}
        key = resource["code"]["coding"][0]["code"], resource["effectivePeriod"]["start"][:10]
        found[key] = {name: int(value) for name, value in figures.items()} | {"version": version}
    return found


def figures(count: int, low: int, high: int, mean: int, version: int) -> dict[str, int]:
    """What a summary tells."""
    return {"count": count, "minimum": low, "maximum": high, "average": mean, "version": version}


def test_summaries_follow_readings(pool: Pool, clinic: Clinic) -> None:
    """A summary is stored once, follows late, corrected, moved and deleted readings, and goes with the last of them."""
    clinic.put(reading("a", "2026-01-02T08:00:00Z", 60), reading("b", "2026-01-02T22:59:59Z", 80))
    work(pool)
    assert summaries(pool) == {("heart-rate", "2026-01-02"): figures(2, 60, 80, 70, 1)}
    clinic.put(reading("late", "2026-01-01T23:00:00Z", 100))
    work(pool)
    assert summaries(pool) == {("heart-rate", "2026-01-02"): figures(3, 60, 100, 80, 2)}
    clinic.put(reading("late", "2026-01-01T23:00:00Z", 100, note=[{"text": "the same"}]))
    work(pool)
    assert summaries(pool)["heart-rate", "2026-01-02"]["version"] == 2  # nothing has changed
    clinic.put(reading("late", "2026-01-05T12:00:00Z", 100), reading("b", "2026-01-02T22:59:59Z", 90))
    work(pool)
    assert summaries(pool) == {
        ("heart-rate", "2026-01-02"): figures(2, 60, 90, 75, 3),
        ("heart-rate", "2026-01-05"): figures(1, 100, 100, 100, 1),
    }
    clinic.delete("Observation", "late")
    clinic.put(reading("b", "2026-01-02T22:59:59Z", 90, status="entered-in-error"))
    work(pool)
    assert summaries(pool) == {("heart-rate", "2026-01-02"): figures(1, 60, 60, 60, 4)}


def test_a_day_is_one_of_the_patients_clock(pool: Pool, clinic: Clinic) -> None:
    """Of the zone that the Patient tells, also once a reading is gone; of the clinic's where it tells none."""
    zone = {"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "America/Los_Angeles"}
    clinic.put({"resourceType": "Patient", "id": "p1", "extension": [zone]})
    late = "2026-01-03T07:30:00Z"  # half an hour before midnight there, morning at the clinic
    clinic.put(reading("a", "2026-01-02T20:00:00Z", 60), reading("b", late, 80))
    clinic.put(reading("c", late, 70, subject={"reference": "Patient/p2"}))
    work(pool)
    assert summaries(pool) == {
        ("heart-rate", "2026-01-02"): figures(2, 60, 80, 70, 1),
        ("heart-rate", "2026-01-03"): figures(1, 70, 70, 70, 1),
    }
    ((body,),) = rows(pool, "SELECT body FROM resource WHERE id LIKE 'd-%%' AND body LIKE '%%Patient/p1%%'")
    assert decode(body)["effectivePeriod"]["start"] == "2026-01-02T00:00:00.000-08:00"
    clinic.delete("Observation", "b")
    work(pool)
    assert summaries(pool)["heart-rate", "2026-01-02"] == figures(1, 60, 60, 60, 2)


def test_what_is_hidden_is_in_no_summary(pool: Pool, clinic: Clinic) -> None:
    """A reading with a security label, or one that a Consent denies by name, is left out of its day from then on."""
    label = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}
    times = [f"2026-01-02T0{n}:00:00Z" for n in range(1, 4)]
    clinic.put(*(reading(name, at, 60 + 10 * n) for n, (name, at) in enumerate(zip("abc", times, strict=True))))
    work(pool)
    assert summaries(pool)["heart-rate", "2026-01-02"] == figures(3, 60, 80, 70, 1)
    clinic.put(reading("c", times[2], 80, meta=label))
    work(pool)
    assert summaries(pool)["heart-rate", "2026-01-02"] == figures(2, 60, 70, 65, 2)
    denied = consent("k", deny(data=instances("Observation/b")), patient="p1")
    clinic.put(denied)
    work(pool)
    assert summaries(pool)["heart-rate", "2026-01-02"] == figures(1, 60, 60, 60, 3)


def trends(url: str, access: AccessContext = SYSTEM, **params: str) -> dict[str, Any]:
    """The trends of p1 by series: `value`, and the values of each window."""

    async def use(server: Interactions) -> Any:
        asked = {"patient": "p1"} | params
        return decode(await run("trends", server, access, Invocation(tuple(asked.items()), b"", "Observation")))

    answer = serve(url, use)
    assert validate(answer, "Parameters") == ()
    found: dict[str, Any] = {}
    for trend in answer.get("parameter", ()):
        parts = {part["name"]: part for part in trend["part"]}
        windows = {}
        for part in trend["part"]:
            if part["name"] == "window":
                inside = {
                    one["name"]: one.get("valueInteger", one.get("valueQuantity", {}).get("value"))
                    for one in part["part"]
                }
                windows[inside["days"]] = {name: int(value) for name, value in inside.items() if name != "days"}
        found[parts["metric"]["valueCode"]] = int(parts["value"]["valueQuantity"]["value"]), windows
    return found


def test_trends(database_url: str, pool: Pool, clinic: Clinic) -> None:
    """Changes and slopes over 7, 30 and 90 days up to a day, for those who see the patient; others see none."""
    last = datetime(2026, 3, 31, 10, tzinfo=UTC)
    clinic.put(
        *(reading(f"w{n}", clock.instant(last - timedelta(days=n)), 100 - n, "29463-7", "kg") for n in range(40))
    )
    work(pool)
    found = trends(database_url, end="2026-03-31")
    assert found.keys() == {"weight"}
    value, windows = found["weight"]
    assert value == 100
    assert windows[7] == {"counted": 7, "average": 97, "before": 90, "change": 7, "slope-per-day": 1}
    assert windows[90] == {"counted": 40, "average": 80, "slope-per-day": 1}
    assert trends(database_url, end="2026-03-31", metric="steps") == {}
    assert trends(database_url, of_patient(pool, "p1"), end="2026-03-31") == found
    assert trends(database_url, of_patient(pool, "p2"), end="2026-03-31") == {}
    for wrong in ({"metric": "mood"}, {"end": "2026"}, {"end": "yesterday"}):
        with pytest.raises(HealixError) as refused:
            trends(database_url, SYSTEM, **wrong)
        assert next(iter(wrong)) in refused.value.message


def test_today_is_the_patients(database_url: str, pool: Pool, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trends end with today where the patient is, which may be another day at the clinic."""
    last = datetime(2026, 3, 31, 20, tzinfo=UTC)
    clinic.put(*(reading(f"w{n}", clock.instant(last - timedelta(days=n)), 80, "29463-7", "kg") for n in range(8)))
    work(pool)
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 4, 1, 5, tzinfo=UTC))

    def counted() -> int:
        found: int = trends(database_url)["weight"][1][7]["counted"]
        return found

    assert counted() == 6, "it is the first of April at the clinic"
    zone = {"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "America/Los_Angeles"}
    clinic.put({"resourceType": "Patient", "id": "p1", "extension": [zone]})
    assert counted() == 7


def asked_for(pool: Pool) -> list[Any]:
    """The days that are asked for, and in how many seconds."""
    waiting = "SELECT payload, round(extract(epoch FROM due - now())) FROM outbox WHERE topic = %s"
    return [(decode(bytes(payload))["day"], int(seconds)) for payload, seconds in rows(pool, waiting, daily.TOPIC)]


def handle(pool: Pool) -> None:
    """Handle what is due now."""
    consumers = {
        "resource": [daily.marker(VIENNA), glance.consumer(daily.onlooker(VIENNA))],
        daily.TOPIC: [daily.consumer(VIENNA, (BASE,))],
    }
    with pool.connection() as connection:
        while drain(connection, consumers):
            pass


def test_a_day_is_asked_for_once(clinic: Clinic, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many readings come in several batches, their day waits once."""
    monkeypatch.setattr(daily, "LATER", 60)
    for n in range(3):
        clinic.put(reading(f"o{n}", f"2026-03-04T1{n}:00:00Z", 60 + n))
        handle(pool)
    assert asked_for(pool) == [("2026-03-04", 60)]


def test_a_day_of_many_readings_rests(clinic: Clinic, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was just computed is computed again after a time that grows with its readings, and then is whole."""
    clinic.put(*(reading(f"o{n}", f"2026-03-04T1{n}:00:00Z", 60 + n) for n in range(3)))
    handle(pool)
    monkeypatch.setattr(daily, "REST", 20)
    clinic.put(reading("o3", "2026-03-04T13:00:00Z", 63))
    handle(pool)
    ((day, seconds),) = asked_for(pool)
    assert day == "2026-03-04"
    assert 90 <= seconds <= 100  # four readings and the summary
    monkeypatch.setattr(daily, "REST", 0)
    rows(pool, "UPDATE outbox SET due = now() RETURNING 1")
    handle(pool)
    assert asked_for(pool) == []
    (found,) = summaries(pool).values()
    assert found["count"] == 4


def test_a_day_summed_up_before_the_clock_was_set_back_does_not_rest(
    clinic: Clinic, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes after it was summed up half an hour ahead is in its figures now, and not when that time comes."""
    clinic.put(reading("o0", "2026-03-04T10:00:00Z", 60))
    handle(pool)
    rows(pool, "UPDATE resource SET updated = updated + interval '30 min' WHERE id LIKE 'd-%%' RETURNING 1")
    monkeypatch.setattr(daily, "REST", 20)
    clinic.put(reading("o1", "2026-03-04T11:00:00Z", 61))
    handle(pool)
    assert asked_for(pool) == []
    (found,) = summaries(pool).values()
    assert found["count"] == 2
