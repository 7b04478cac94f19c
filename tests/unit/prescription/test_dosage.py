"""A dosage in words, and what a short form makes of one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from healix_fhir.kernel.language.spoken import speaking
from healix_fhir.model.validate import check
from healix_fhir.operation.prescription.dosage import PERIODS, ROUTES, UNITS, WHEN, Chosen, dosage, in_words
from healix_fhir.operation.prescription.repeats import repeats


def timed(**repeat: Any) -> dict[str, Any]:
    """A Dosage with a Timing."""
    return {"timing": {"repeat": repeat}}


@pytest.mark.parametrize(
    ("one", "words"),
    [
        ({"text": "As told."}, "As told"),
        ({"text": "As told.", "patientInstruction": "Do not drive"}, "As told. Do not drive"),
        (timed(frequency=1, period=1, periodUnit="d"), "once a day"),
        (timed(frequency=3, period=1, periodUnit="d", when=["C"]), "3 times a day with meals"),
        (timed(frequency=1, period=6, periodUnit="h"), "every 6 hours"),
        (timed(frequency=2, period=2, periodUnit="wk"), "twice every 2 weeks"),
        (timed(frequency=1, period=1, periodUnit="h"), "once an hour"),
        (timed(dayOfWeek=["mon", "fri"], timeOfDay=["08:00:00"]), "on Monday, Friday at 08:00"),
        (timed(when=["HS"]), "before sleep"),
        ({"timing": {"code": {"text": "BID"}}}, "BID"),
        ({"asNeededCodeableConcept": {"text": "pain"}}, "when needed for pain"),
        ({"doseAndRate": [{"doseRange": {"low": {"value": 1}, "high": {"value": 2, "unit": "tablet"}}}]},
         "1 to 2 tablets"),
        ({}, ""),
    ],
)  # fmt: skip
@pytest.mark.spec("FHIR R4 dosage.html")
def test_a_dosage_in_words(one: dict[str, Any], words: str) -> None:
    """Its own, or those that its parts amount to."""
    assert in_words(one) == words


def test_a_form_makes_a_dosage() -> None:
    """Coded where there are codes, and in the words that a patient reads."""
    chosen = Chosen(Decimal("2.0"), "tablet", 3, 1, "d", "oral", ("AC",), True, 10, "Drink a glass of water")
    made = dosage(chosen)
    assert made["text"] == "2 tablets by mouth 3 times a day before meals for 10 days when needed"
    assert in_words(made) == f"{made['text']}. Drink a glass of water"
    assert made["route"]["coding"][0]["code"] == "26643006"
    assert "code" not in made["doseAndRate"][0]["doseQuantity"]
    coded = dosage(Chosen(Decimal("0.5"), "mg", 1, 8, "h"))
    assert coded["doseAndRate"][0]["doseQuantity"]["code"] == "mg"
    assert coded["text"] == "0.5 mg every 8 hours"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", "2,5 Tabletten durch den Mund 3-mal am Tag vor dem Essen 10 Tage lang bei Bedarf"),
        ("es", "2,5 comprimidos por la boca 3 veces al día antes de las comidas durante 10 días si es necesario"),
        ("fr", "2,5 comprimés par la bouche 3 fois par jour avant les repas pendant 10 jours si besoin"),
        ("hi", "2.5 गोलियाँ मुँह से दिन में 3 बार भोजन से पहले 10 दिन तक ज़रूरत होने पर"),
    ],
)
def test_a_dosage_of_a_form_is_said_in_every_language(language: str, words: str) -> None:
    """Whatever language it was written in; what a prescriber has put otherwise stands as it is."""
    with speaking(language):
        made = dosage(Chosen(Decimal("2.5"), "tablet", 3, 1, "d", "oral", ("AC",), True, 10, "With water"))
        assert in_words(made) == f"{words}. With water"
        assert in_words(made | {"text": "2.5 tablets, carefully"}) == "2.5 tablets, carefully. With water"
        assert in_words(timed(frequency=2, period=2, periodUnit="wk"))
    assert made["text"].startswith("2.5 tablets by mouth")


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("period", PERIODS)
def test_all_that_can_be_chosen_is_valid(unit: str, period: str) -> None:
    """Every unit, period, route and time of day makes a valid MedicationRequest."""
    for route in ROUTES:
        made = dosage(Chosen(Decimal("1.5"), unit, 2, 1, period, route, tuple(WHEN), days=1))
        order = {
            "resourceType": "MedicationRequest", "status": "draft", "intent": "order",
            "subject": {"reference": "Patient/p"}, "medicationCodeableConcept": {"text": "x"},
            "dosageInstruction": [made],
        }  # fmt: skip
        check(order, "MedicationRequest")
        assert made["text"]


@pytest.mark.parametrize(
    ("allowed", "statuses", "left"),
    [
        (None, [], 1),
        (0, ["completed"], 0),
        (2, ["completed", "in-progress"], 1),
        (2, ["completed", "cancelled", "declined", "entered-in-error", "stopped"], 2),
        (1, ["completed"] * 3, 0),
    ],
)
@pytest.mark.spec("FHIR R4 medicationrequest-definitions.html#MedicationRequest.dispenseRequest")
def test_repeats_are_counted_against_what_was_dispensed(allowed: int | None, statuses: list[str], left: int) -> None:
    """Repeats come on top of the first time; what was not handed over does not count."""
    order = {"dispenseRequest": {"numberOfRepeatsAllowed": allowed}} if allowed is not None else {}
    assert repeats(order, [{"status": status} for status in statuses]).left == left
