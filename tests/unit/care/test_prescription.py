"""A prescription as a document: what it says, and what it does not claim."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from healix_fhir.care.prescriptions.printed import Printed, document
from healix_fhir.care.reports.document import Notice, Paragraph, Table
from healix_fhir.care.reports.written import Written
from healix_fhir.operation.prescription.repeats import Repeats

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def blocks(language: str = "en", **order: Any) -> list[Any]:
    """The blocks of an order that is printed in a language."""
    whole: dict[str, Any] = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "Amoxicillin"},
        "dosageInstruction": [{"text": "Three times a day"}, {"patientInstruction": "with water"}],
    } | order
    names = ("Ada", "Dr. Mary")
    return list(document(Printed(whole, {}, {}, {}, Repeats(3, 1), names), Written(language, UTC), NOW).blocks)


@pytest.mark.spec("FHIR R4 medicationrequest.html")
def test_what_is_ordered_is_told_in_words() -> None:
    """The medication, each dosage, and the repeats that were ordered, whatever was dispensed since."""
    (table,) = [one for one in blocks() if isinstance(one, Table)]
    assert table.rows == (("Amoxicillin", "Three times a day\nwith water", "not recorded", "2"),)


@pytest.mark.parametrize(
    ("history", "said"),
    [([], "Ordered by Dr. Mary"), ([{"reference": "Provenance/x"}], "Signed electronically by Dr. Mary")],
)
def test_only_what_was_signed_is_said_to_be(history: list[dict[str, str]], said: str) -> None:
    """What another system brought was ordered, as it says; nobody here saw it signed."""
    last = blocks(eventHistory=history)[-1]
    assert isinstance(last, Paragraph)
    assert last.text.startswith(said)


@pytest.mark.parametrize("reported", [{"reportedBoolean": True}, {"reportedReference": {"reference": "Patient/p"}}])
def test_what_is_recorded_for_another_was_not_signed(reported: dict[str, Any]) -> None:
    """Whoever records an order for somebody else cannot make a signature of theirs by naming a Provenance."""
    last = blocks(eventHistory=[{"reference": "Provenance/x"}], **reported)[-1]
    assert isinstance(last, Paragraph)
    assert last.text.startswith("Ordered by Dr. Mary")


def test_what_is_not_in_use_is_not_to_be_dispensed() -> None:
    """A stopped order says so, with its reason, before all else; an active one says nothing."""
    first = blocks(status="stopped", statusReason={"text": "a rash"})[0]
    assert first == Notice("Not to be dispensed: stopped", "a rash", urgent=True)
    assert not any(isinstance(one, Notice) for one in blocks())


@pytest.mark.parametrize(
    ("language", "said"),
    [("de", "zweimal am Tag"), ("es", "dos veces al día"), ("fr", "deux fois par jour"), ("hi", "दिन में दो बार")],
)
def test_it_is_printed_in_every_language(language: str, said: str) -> None:
    """Its words, the dosage among them; the version of the record stands in it."""
    timing = {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}
    made = blocks(language, dosageInstruction=[{"timing": timing}], meta={"versionId": "2"})
    (table,) = [one for one in made if isinstance(one, Table)]
    assert table.rows[0][1] == said
    assert "MedicationRequest/m/_history/2" in made[-1].text
