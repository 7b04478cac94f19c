"""The page that shows readings as plots, and in tables, to patients and their clinicians."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from healix_fhir.care import daily, glance
from healix_fhir.kernel import clock
from healix_fhir.kernel.consume import drain
from tests.integration.pages.test_authorize import browsing
from tests.support.gate import Pool
from tests.support.portal import sign_in
from tests.support.search import BASE, Clinic

ADDRESS = "/account/readings"
ROW = re.compile(r"<tr><td><time[^>]*>([^<]*)</time></td><td>([^<]*)</td><td>([^<]*)</td></tr>")


def reading(id_: str, hours: float, code: str, value: dict[str, Any], patient: str = "p1") -> dict[str, Any]:
    """An Observation so many hours ago."""
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": clock.instant(clock.now() - timedelta(hours=hours)),
        **value,
    }


def quantity(value: float, unit: str) -> dict[str, Any]:
    """A value in UCUM."""
    return {"valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": unit}}


def pressure(high: int, low: int) -> dict[str, Any]:
    """A blood pressure."""
    codes = (("8480-6", high), ("8462-4", low))
    coded = [({"coding": [{"system": "http://loinc.org", "code": code}]}, value) for code, value in codes]
    return {"component": [{"code": code} | quantity(value, "mm[Hg]") for code, value in coded]}


HIGH: dict[str, Any] = {"interpretation": [{"coding": [{"code": "H"}]}]}


@pytest.fixture
def measured(pool: Pool, people: Clinic, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """Readings of p1 and p3, with the summaries of their days."""
    monkeypatch.setattr(daily, "LATER", 0)
    monkeypatch.setattr(daily, "REST", 0)
    people.put(
        *(reading(f"h{n}", n, "8867-4", quantity(60 + n, "/min")) for n in range(1, 100)),
        reading("high", 0, "8867-4", quantity(150, "/min") | HIGH),
        reading("bp", 2, "85354-9", pressure(121, 79)),
        reading("weight", 24 * 20, "29463-7", quantity(71.5, "kg")),
        reading("secret", 1, "29463-7", quantity(99, "kg"), "p3"),
    )
    with pool.connection() as connection:
        while drain(
            connection,
            {
                "resource": [daily.marker(None), glance.consumer(daily.onlooker(None))],
                daily.TOPIC: [daily.consumer(None, (BASE,))],
            },
        ):
            pass
    return people


def rows(page: httpx.Response) -> list[tuple[str, ...]]:
    """The rows of all tables."""
    return [tuple(map(html.unescape, found)) for found in ROW.findall(page.text)]


def test_times_are_by_the_patients_clock(database_url: str, measured: Clinic) -> None:
    """Where the Patient tells a zone, whoever looks; the page says which."""
    zone = {"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "Asia/Kathmandu"}
    measured.put({"resourceType": "Patient", "id": "p1", "extension": [zone],
                  "generalPractitioner": [{"reference": "Practitioner/d"}]})  # fmt: skip

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        assert "times of Asia/Kathmandu" in (await client.get(ADDRESS)).text

    browsing(database_url, use)


@pytest.mark.usefixtures("measured")
def test_readings_are_plots_and_tables(database_url: str) -> None:
    """Of a day and a week each reading, of a month each day; what a plot shows stands in a table too."""

    async def use(client: httpx.AsyncClient) -> None:
        assert (await client.get(ADDRESS)).status_code == 303
        await sign_in(client, "ada")
        week = await client.get(ADDRESS)
        assert week.status_code == 200
        assert rows(week)[0][1:] == ("150 /min", "high")
        assert any(row[1] == "121/79 mmHg" for row in rows(week))
        assert not any("kg" in row[1] for row in rows(week))
        assert week.text.count("<svg") == 2
        assert week.text.count("plot-usual") == 3  # two of a blood pressure
        assert 'style="' not in week.text
        day = await client.get(ADDRESS, params={"span": "day"})
        assert 0 < len(rows(day)) < len(rows(week))
        month = await client.get(ADDRESS, params={"span": "month"})
        assert any(row[1] == "71.5 kg" for row in rows(month))
        assert "plot-spread" in month.text
        long_ago = await client.get(ADDRESS, params={"end": "2000-01-31"})
        assert "no readings of this time" in long_ago.text
        ahead = await client.get(ADDRESS, params={"end": "2999-01-31"})
        assert len(rows(ahead)) == len(rows(week))
        for wrong in ({"span": "year"}, {"end": "31.1.2026"}, {"end": "1066-10-14"}):
            assert (await client.get(ADDRESS, params=wrong)).status_code == 400

    browsing(database_url, use)


@pytest.mark.usefixtures("measured")
def test_readings_are_for_those_who_see_the_patient(database_url: str) -> None:
    """Clinicians see those of patients in their care; others are answered as if there were no such record."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        assert "121/79" in (await client.get(ADDRESS, params={"patient": "p1"})).text
        empty = await client.get(ADDRESS, params={"patient": "p2"})
        assert "no readings of this time" in empty.text
        hidden, none = [await client.get(ADDRESS, params={"patient": id_}) for id_ in ("p3", "none")]
        assert (hidden.status_code, hidden.text) == (404, none.text)

    browsing(database_url, use)


@pytest.mark.usefixtures("measured")
def test_an_ecg_is_drawn_on_its_paper(database_url: str, people: Clinic) -> None:
    """The newest strips of the time are drawn with their scales, and said in words; the drawing is bounded."""
    for number in range(5):
        data = {"origin": {"value": 0, "system": "http://unitsofmeasure.org", "code": "mV"}, "period": 2,
                "dimensions": 1, "data": " ".join(["0.1", "-0.2", "1.3"] * 5000)}  # fmt: skip
        people.put(reading(f"ecg{number}", number, "11524-6", {"valueSampledData": data}))

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await client.get(f"{ADDRESS}?span=week")
        assert page.text.count('<figure class="strip">') == 3
        assert "ECG strip of 30 seconds, 500 samples a second, from -0.20 to 1.30 mV." in page.text
        assert "25 mm/s and 10 mm/mV" in page.text
        assert len(page.content) < 1_000_000

    async def other(client: httpx.AsyncClient) -> None:
        await sign_in(client, "eve")
        assert 'class="strip"' not in (await client.get(ADDRESS)).text
        assert (await client.get(f"{ADDRESS}?patient=p1")).status_code == 404

    browsing(database_url, use)
    browsing(database_url, other)
