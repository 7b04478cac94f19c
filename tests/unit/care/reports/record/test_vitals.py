"""Measurements as series, their table and their plots."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from healix_fhir.care.plot.chart import Side, Words
from healix_fhir.care.reports.document import Plot, Table
from healix_fhir.care.reports.record.sections import Period
from healix_fhir.care.reports.record.trends import trends
from healix_fhir.care.reports.record.vitals import MOST_MEASURES, measures
from healix_fhir.care.reports.typesetting import MOST_SHAPES
from healix_fhir.care.reports.written import Written
from healix_fhir.model.json import decode_stored, encode
from tests.support.record import START, vitals

PERIOD = Period(START, START + timedelta(days=90))
WRITTEN = Written("en", ZoneInfo("UTC"))


def read(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Resources as they are read from the store."""
    return [decode_stored(encode(one)) for one in resources]


def value(amount: str, at: str = "2026-01-05", **elements: Any) -> dict[str, Any]:
    """A measurement."""
    quantity = {"value": Decimal(amount), "unit": "kg"}
    return {
        "code": {"text": "Weight", "coding": [{"code": "w"}]},
        "effectiveDateTime": at,
        "valueQuantity": quantity,
        **elements,
    }


@pytest.mark.spec("FHIR R4 observation-vitalsigns.html")
def test_measures() -> None:
    """A measure is one code in one unit; the parts of blood pressure are its two components."""
    found = {one.code: one for one in measures(read(vitals(20)))}
    assert {code: (one.unit, one.count) for code, one in found.items()} == {
        "85354-9": ("mm[Hg]", 40),
        "8867-4": ("/min", 20),
        "29463-7": ("kg", 20),
    }
    assert [part.code for part in found["85354-9"].parts] == ["8480-6", "8462-4"]
    pounds = value("180") | {"valueQuantity": {"value": 180, "unit": "[lb_av]"}}
    assert [one.unit for one in measures([value("80"), pounds, value("81")])] == ["kg", "[lb_av]"]


def test_reference_ranges() -> None:
    """The newest range counts, and tells how many values are outside of it."""
    old = [{"low": {"value": 1}, "high": {"value": 2}}]
    new = [{"low": {"value": Decimal("79.5")}}]
    (found,) = measures(
        [
            value("80", "2026-01-03", referenceRange=new),
            value("79.50", "2026-01-02"),
            value("79", "2026-01-01", referenceRange=old),
        ]
    )
    assert found.parts[0].outside == 1
    assert [one.value for one in found.parts[0].readings] == [Decimal(79), Decimal("79.50"), Decimal(80)]


@pytest.mark.parametrize(
    "odd",
    [
        value("1", "2026-13-45"),
        value("1", None),  # type: ignore[arg-type]
        value("1E+999"),
        {"code": {}, "effectiveDateTime": "2026", "valueQuantity": {"unit": "kg"}},
        {"code": {}, "effectiveDateTime": "2026", "valueString": "high"},
    ],
)
def test_odd(odd: dict[str, Any]) -> None:
    """What has no time, no value, or none that a number can hold, is left out."""
    assert measures([odd]) == []
    assert [one.count for one in measures([odd, value("80")])] == [1]


def test_trends() -> None:
    """The table has every measure with its numbers as stored; the plots say in words what they show."""
    table, *plots = trends(measures(read(vitals(85))), PERIOD, WRITTEN)
    assert isinstance(table, Table)
    rows = {row[0]: row for row in table.rows}
    assert rows["Heart rate"][5:] == ("85", "60\N{EN DASH}90\N{NO-BREAK SPACE}/min")
    assert "Blood pressure: Systolic" in rows
    assert len(plots) == 3
    for plot in plots:
        assert isinstance(plot, Plot)
        assert "85 values from 1 January 2026" in plot.alternative
    assert any("Values outside the reference range" in plot.alternative for plot in plots if isinstance(plot, Plot))


def test_numbers_of_a_plot() -> None:
    """What stands at the axis is written as in the table."""
    *_, plot = trends(
        measures([value(f"81.{n}", f"2026-01-0{n + 1}") for n in range(5)]), PERIOD, Written("fr", ZoneInfo("UTC"))
    )
    assert isinstance(plot, Plot)
    said = [shape.text for shape in plot.chart.shapes if isinstance(shape, Words) and shape.side is Side.BEFORE]
    assert said
    assert all("," in one and "." not in one for one in said)


def test_extremes() -> None:
    """Values that no plot can show are in the table alone, and many values are few shapes."""
    wild = [value(amount, f"2026-01-{n + 1:02}") for n, amount in enumerate(("1E+300", "1E-300", "0", "-5", "7"))]
    table, plot = trends(measures(wild), PERIOD, WRITTEN)
    assert isinstance(table, Table)
    assert table.rows[0][4].startswith("1E+300")
    assert isinstance(plot, Plot)
    many = [value(str(n % 97), (START + timedelta(minutes=12 * n)).isoformat()) for n in range(10_000)]
    _, drawn = trends(measures(many), PERIOD, WRITTEN)
    assert isinstance(drawn, Plot)
    places = sum(len(getattr(shape, "places", (0,))) for shape in drawn.chart.shapes)
    assert places * MOST_MEASURES < MOST_SHAPES
