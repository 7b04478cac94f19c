"""Dates, numbers and quantities as each language writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from healix_fhir.care.plot.times import Every, Span, Tick
from healix_fhir.care.reports.written import Written

ENGLISH = Written("en", ZoneInfo("Europe/Vienna"))
GERMAN = Written("de", ZoneInfo("Europe/Vienna"))


@pytest.mark.spec("FHIR R4 datatypes.html#dateTime")
@pytest.mark.parametrize(
    ("text", "english", "german"),
    [
        ("2026", "2026", "2026"),
        ("2026-03", "March 2026", "März 2026"),
        ("2026-03-09", "9 March 2026", "9. März 2026"),
        ("2026-03-31T23:30:00Z", "1 April 2026, 01:30", "1. April 2026, 01:30 Uhr"),
        (None, "", ""),
        ("someday", "someday", "someday"),
        ("2026-13", "2026-13", "2026-13"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_date(text: str | None, english: str, german: str) -> None:
    """A date is written as exactly as it is known, a time in the document's time zone."""
    assert (ENGLISH.date(text), GERMAN.date(text)) == (english, german)


@pytest.mark.spec("FHIR R4 datatypes.html#decimal")
def test_numbers() -> None:
    """A number keeps its digits; its point is that of the language."""
    assert GERMAN.number(Decimal("1.50")) == "1,50"
    assert ENGLISH.number(Decimal("-0.010")) == "\N{MINUS SIGN}0.010"
    assert ENGLISH.number(Decimal("1E+3")) == "1000"
    assert ENGLISH.number(Decimal("1E+900")) == "1E+900"


@pytest.mark.spec("FHIR R4 datatypes.html#Quantity")
def test_quantities() -> None:
    """A quantity has its comparator and its unit, a range its unit once."""
    low, high = {"value": Decimal("3.5"), "unit": "mmol/L"}, {"value": 5, "unit": "mmol/L"}
    assert ENGLISH.quantity({"comparator": "<", "value": 5, "code": "mg"}) == "<5\N{NO-BREAK SPACE}mg"
    assert GERMAN.range(low, high) == "3,5\N{EN DASH}5\N{NO-BREAK SPACE}mmol/L"
    assert ENGLISH.range(None, high) == "≤\N{NO-BREAK SPACE}5\N{NO-BREAK SPACE}mmol/L"
    assert ENGLISH.quantity({"unit": "mg"}) == ENGLISH.quantity(None) == ENGLISH.range(None, None) == ""


def test_periods_and_states() -> None:
    """A period has both its ends; a state without a word stands as it is."""
    assert ENGLISH.period({"start": "2026", "end": "2027-01"}) == "2026 \N{EN DASH} January 2027"
    assert ENGLISH.period({"start": "2026"}) == "2026"
    assert (GERMAN.status("booked"), GERMAN.status("odd"), GERMAN.status(None)) == ("gebucht", "odd", "")


def test_ticks() -> None:
    """At ticks of time stands what their distance asks for."""
    at = datetime(2026, 1, 1, 6, tzinfo=UTC)
    said = {span: GERMAN.tick(Tick(at, Every(1, span))) for span in Span}
    assert said == {Span.HOUR: "06:00", Span.DAY: "1 Jan", Span.MONTH: "Jan 2026", Span.YEAR: "2026"}
