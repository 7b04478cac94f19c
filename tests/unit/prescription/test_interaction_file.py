"""Files of interactions: what is taken, and what is refused by its line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.operation.prescription.interaction_file import read
from healix_fhir.operation.prescription.interactions import Interaction

HEAD = "a_system,a_code,a_name,b_system,b_code,b_name,severity,effect,management"
ROW = 'urn:x,1,warfarin,urn:x,2,aspirin,high,"Bleeding, at once",Avoid'
WANTED = Interaction(("urn:x", "1"), ("urn:x", "2"), "warfarin and aspirin", "high", "Bleeding, at once", "Avoid")


def issue(**more: Any) -> dict[str, Any]:
    """A DetectedIssue that defines the interaction."""
    drugs = [
        {"resourceType": "Medication", "id": id_, "code": {"text": name, "coding": [{"system": "urn:x", "code": code}]}}
        for id_, name, code in (("a", "warfarin", "1"), ("b", "aspirin", "2"))
    ]
    return {
        "resourceType": "DetectedIssue",
        "contained": drugs,
        "status": "final",
        "severity": "high",
        "implicated": [{"reference": "#a"}, {"reference": "#b"}],
        "detail": "Bleeding, at once",
        "mitigation": [{"action": {"text": "Avoid"}}],
    } | more


def test_csv_is_read() -> None:
    """With the columns in any order, a byte order mark, and without those that may be missing."""
    assert read(f"\ufeff{HEAD}\r\n{ROW}\r\n") == [WANTED]
    short = "severity,b_name,b_code,b_system,a_name,a_code,a_system\nlow,y,2,urn:x,x,1,urn:x\n"
    assert read(short) == [Interaction(("urn:x", "1"), ("urn:x", "2"), "x and y", "low")]


@pytest.mark.spec("FHIR R4 detectedissue.html")
def test_detected_issues_are_read() -> None:
    """One, as lines, or in a Bundle; several codes of a medication stand for each other."""
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": issue()}, {"resource": issue()}]}
    assert read(json.dumps(issue())) == [WANTED]
    assert read(f"{json.dumps(issue())}\n\n{json.dumps(issue())}\n") == [WANTED, WANTED]
    assert read(json.dumps(bundle, indent=1)) == [WANTED, WANTED]
    both = issue()
    both["contained"][0]["code"]["coding"].append({"system": "urn:y", "code": "9"})
    assert [one.a for one in read(json.dumps(both))] == [("urn:x", "1"), ("urn:y", "9")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the columns"),
        (HEAD, "no interaction"),
        ("a_system,a_code\nx,y", "a_name, b_system"),
        (f"{HEAD}\n{ROW}\nurn:x,1", "line 3: it has not as many values"),
        (f"{HEAD}\n{ROW},more", "line 2: it has not as many values"),
        (f"{HEAD}\n{ROW.replace('high', 'deadly')}", "line 2: the severity is high, low, moderate"),
        (f"{HEAD}\n{ROW.replace('aspirin', '')}", "line 2: b_name is empty"),
        (f"{HEAD}\n{ROW.replace('urn:x,2', 'urn:x,1')}", "line 2: a substance does not interact with itself"),
        (f"{HEAD}\n{ROW.replace('Avoid', 'A' * 5000)}", "line 2: a value is longer"),
        ('{"resourceType": "Patient"}', "line 1: it is no DetectedIssue"),
        ("{", "line 1: malformed JSON"),
        (json.dumps(issue(severity="deadly")), "line 1: "),
        (json.dumps(issue(severity=None)), "line 1: "),
        (json.dumps(issue()).replace('"system": "urn:x", ', ""), "two contained Medications"),
        (
            json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{}]}),
            "entry 1: it is no DetectedIssue",
        ),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(text: str, said: str) -> None:
    """The whole file is refused: half a table of interactions is none to rely on."""
    with pytest.raises(HealixError) as refusal:
        read(text)
    assert refusal.value.category is Category.INVALID
    assert said in refusal.value.message
