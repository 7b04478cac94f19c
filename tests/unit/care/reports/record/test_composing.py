"""A record as a document, in each language."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from healix_fhir.care.reports.document import Document, Facts, Heading, Notice, Paragraph, Pictures, Plot, Table
from healix_fhir.care.reports.record.composing import Manner, compose
from healix_fhir.care.reports.record.findings import KeyImage
from healix_fhir.care.reports.record.gathering import Found, Gathered
from healix_fhir.care.reports.record.making import labels_of
from healix_fhir.care.reports.record.sections import SECTIONS, Period
from healix_fhir.care.reports.words import LANGUAGES, words
from healix_fhir.care.reports.written import Written
from healix_fhir.model.json import decode_stored, encode
from tests.support.record import DOCTOR, PATIENT, START, lists

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def composed(language: str = "en", **found: Found) -> Document:
    """The document of a record; `found` stands in place of what a section has."""
    resources = [decode_stored(encode(one)) for one in lists()]
    sections = {
        name: Found(
            tuple(
                one for one in resources if one["resourceType"] in {each.type for each in wanted} and one["id"] != "lab"
            )
        )
        for name, wanted in SECTIONS.items()
    }
    known = {"Practitioner/doc": DOCTOR, **{f"{one['resourceType']}/{one['id']}": one for one in resources}}
    gathered = Gathered(PATIENT, Period(START, START + timedelta(days=90)), sections | found, known)
    manner = Manner(Written(language, ZoneInfo("Europe/Vienna")), START + timedelta(days=91), "Europe/Vienna")
    return compose(gathered, manner, {"r1": [KeyImage(b"picture", "left hilum")]}, 2)


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages(language: str) -> None:
    """Headings are in the language, in their order; the head of every page says of whom the document is."""
    document, say = composed(language), words("record", language)
    headings = [one.text for one in document.blocks if isinstance(one, Heading) and one.level == 1]
    assert headings == [say[name] for name in ("summary", *SECTIONS)]
    assert document.title == say["title"]
    for telling in ("Ada Maria Lovelace", "1975", "MRN-0042"):
        assert telling in document.head
    assert "Europe/Vienna" in document.foot


@pytest.mark.parametrize("language", LANGUAGES)
def test_ecg_strips_are_drawn(language: str) -> None:
    """The newest strips stand on their paper after the plots, true to size in print, and are told in words."""
    strips = tuple(
        decode_stored(encode({
            "resourceType": "Observation", "status": "final", "effectiveDateTime": f"2026-03-0{day}T08:00:00Z",
            "code": {"coding": [{"system": "http://loinc.org", "code": "11524-6"}]},
            "valueSampledData": {
                "origin": {"value": 0, "system": "http://unitsofmeasure.org", "code": "uV"}, "period": 4,
                "dimensions": 1, "data": "100 -200 1300 " * 500,
            },
        }))
        for day in range(1, 6)
    )  # fmt: skip
    drawn = [one for one in composed(language, vitals=Found(strips)).blocks if isinstance(one, Plot)]
    assert len(drawn) == 3
    assert all("25 mm/s" in one.caption and "mV" in one.alternative for one in drawn)
    assert round(drawn[0].chart.width) == round(150 * 72 / 25.4)


def test_what_is_told() -> None:
    """Problems, medicines, goals and appointments stand with what belongs to them; a dangerous allergy stands out."""
    document = composed()
    cells = {text for one in document.blocks if isinstance(one, Table) for row in one.rows for text in row}
    assert {"Essential hypertension", "May 2021", "Ramipril 5 mg tablet", "1 tablet in the morning"} <= cells
    assert {"12 March 2026, 10:00", "Dr. Hopper", "Body weight 75\N{NO-BREAK SPACE}kg", "30 June 2026"} <= cells
    assert {"Creatinine", "0.8\N{NO-BREAK SPACE}mg/dL"} <= cells
    assert [one for one in document.blocks if isinstance(one, Notice) and one.urgent and "Penicillin" in one.text]
    (pictures,) = (one for one in document.blocks if isinstance(one, Pictures))
    assert "left hilum" in pictures.pictures[0].alternative
    facts = {fact.text for one in document.blocks if isinstance(one, Facts) for fact in one.facts}
    assert {"1 January 2026 to 1 April 2026", "Europe/Vienna", "No infiltrate. Heart of normal size."} <= facts


def test_what_is_left_out() -> None:
    """What is not seen, missing, shortened or left out is said, not passed over."""
    document = composed(
        goals=Found(seen=False), appointments=Found(), problems=Found(more=True, heavy=3), medication=Found(())
    )
    told = [one.text for one in document.blocks if isinstance(one, Paragraph)]
    told += [one.title for one in document.blocks if isinstance(one, Notice)]
    for expected in (
        "Not for the eyes of who asked for this document.",
        "Nothing is recorded.",
        "Only the newest 300 entries are shown.",
        "Entries that are too large to be printed and were left out: 3.",
        "Pictures that could not be shown: 2.",
    ):
        assert expected in told


@pytest.mark.spec("FHIR R4 security-labels.html")
def test_labels() -> None:
    """A document has every label of what is in it, of confidentiality the highest, and R where Consents deny."""

    def resource(*codes: str, system: str = CONFIDENTIALITY) -> dict[str, object]:
        return {"meta": {"security": [{"system": system, "code": code} for code in codes]}}

    found = labels_of([{}, resource("N"), resource("V", "L"), resource("HIV", system="act")], narrowed=False)
    assert [(one["system"], one["code"]) for one in found] == [(CONFIDENTIALITY, "V"), ("act", "HIV")]
    assert labels_of([{}], narrowed=False) == []
    assert [one["code"] for one in labels_of([resource("N")], narrowed=True)] == ["R"]
    assert [one["code"] for one in labels_of([resource("V")], narrowed=True)] == ["V"]
    many = resource(*map(str, range(60)), system="urn:tags")
    assert [one["code"] for one in labels_of([many], narrowed=True)] == ["R", *map(str, range(49))]
