"""`:missing` on parameters of every type."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.resources import UCUM, observation, patient
from tests.support.search import Clinic

pytestmark = pytest.mark.spec("FHIR R4 search.html#modifiers")

VALUES: dict[str, dict[str, Any]] = {
    "category": {"category": [{"coding": [{"code": "x"}]}]},
    "value-quantity": {"valueQuantity": {"value": 1, "system": UCUM, "code": "g"}},
    "value-string": {"valueString": "x"},
    "value-date": {"valueDateTime": "2020"},
    "date": {"effectiveDateTime": "2020"},
    "encounter": {"encounter": {"reference": "Encounter/e"}},
    "component-code": {"component": [{"code": {"coding": [{"code": "c"}]}}]},
    "component-code-value-quantity": {
        "component": [{"code": {"coding": [{"code": "c"}]}, "valueQuantity": {"value": 1}}]
    },
    "component-code-value-concept": {
        "component": [{"code": {"coding": [{"code": "c"}]}, "valueCodeableConcept": {"coding": [{"code": "d"}]}}]
    },
    "code-value-quantity": {"valueQuantity": {"value": 1}},
    "code-value-string": {"valueString": "x"},
    "combo-value-quantity": {"component": [{"code": {"text": "c"}, "valueQuantity": {"value": 1}}]},
    "_profile": {"meta": {"profile": ["http://p.test"]}},
    "_tag": {"meta": {"tag": [{"code": "t"}]}},
    "_source": {"meta": {"source": "http://s.test"}},
}


@pytest.mark.parametrize("code", list(VALUES))
def test_resources_with_and_without_a_value_are_told_apart(clinic: Clinic, code: str) -> None:
    """True finds those without any value, false the others; alone, and beside another condition."""
    bare = {key: value for key, value in observation("Patient/p", id="without").items() if key in KEPT}
    clinic.put(bare, {**bare, "id": "with", **VALUES[code]})
    for text in ("", "code=8867-4&"):
        assert clinic.ids(f"Observation?{text}{code}:missing=true") == ["without"]
        assert clinic.ids(f"Observation?{text}{code}:missing=false") == ["with"]


KEPT = ("resourceType", "id", "status", "code", "subject")


def test_every_resource_has_an_id(clinic: Clinic) -> None:
    """The parameters that are columns are never missing."""
    clinic.put(patient(id="a"))
    for code in ("_id", "_lastUpdated"):
        assert clinic.ids(f"Patient?{code}:missing=true") == []
        assert clinic.ids(f"Patient?{code}:missing=false") == ["a"]


def test_a_value_that_goes_is_missing_afterwards(clinic: Clinic) -> None:
    """The marks follow the current version; a value with extensions only is none."""
    clinic.put(patient(id="a", birthDate="1970"))
    assert clinic.ids("Patient?birthdate:missing=false") == ["a"]
    absent = {"extension": [{"url": "http://x.test", "valueCode": "unknown"}]}
    clinic.put({**{k: v for k, v in patient(id="a").items() if k != "birthDate"}, "_birthDate": absent})
    assert clinic.ids("Patient?birthdate:missing=true") == ["a"]
