"""What a resource is called."""

from __future__ import annotations

from healix_fhir.care.reports import told


def test_concepts() -> None:
    """A concept is its text, else its first display, else its first code."""
    codings = [{"code": "a"}, {"code": "b", "display": "B"}]
    assert told.concept({"text": "T", "coding": codings}) == "T"
    assert told.concept({"coding": codings}) == "B"
    assert told.concept({"coding": codings[:1]}) == "a"
    assert told.concept(None) == told.concept({}) == ""
    assert told.concepts([{"text": "x"}, {}, {"text": "y"}]) == "x, y"


def test_persons() -> None:
    """Of names, numbers and addresses those are told that are in use."""
    assert (
        told.name([{"use": "old", "text": "Old"}, {"given": ["Ada", "K."], "family": "L", "prefix": ["Dr."]}])
        == "Dr. Ada K. L"
    )
    assert told.name([]) == told.name(None) == ""
    assert told.identifier([{"value": "1"}, {"use": "official", "value": "2"}, {"system": "s"}]) == "2"
    assert told.address([{"line": ["A 1"], "postalCode": "1010", "city": "Vienna"}]) == "A 1, 1010 Vienna"
    assert told.telecom([{"value": "1"}, {"use": "old", "value": "2"}]) == "1"


def test_references() -> None:
    """A reference is its display, else what it leads to is called, contained or known."""
    known = {"Practitioner/d": {"resourceType": "Practitioner", "name": [{"text": "Dr. D"}]}}
    within = {"contained": [{"resourceType": "Medication", "id": "m", "code": {"text": "Aspirin"}}]}
    assert told.reference({"display": "D", "reference": "Practitioner/d"}, known) == "D"
    assert told.reference({"reference": "Practitioner/d"}, known) == "Dr. D"
    assert told.reference({"reference": "#m"}, known, within) == "Aspirin"
    assert told.reference({"reference": "Practitioner/x"}, known) == told.reference(None, known) == ""
