"""What modifiers find, over real index rows."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from tests.support.resources import observation, patient
from tests.support.search import Clinic

LOINC = "http://loinc.org"
pytestmark = pytest.mark.spec("FHIR R4 search.html#modifiers")


def _code(display: str | None = None, text: str | None = None, code: str = "1-8") -> dict[str, Any]:
    coding = {"system": LOINC, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding]} | ({"text": text} if text else {})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("code:text=heart", "display text"),
        ("code:text=HÉART rate", "display"),
        ("code:text=rate", ""),
        ("code:text=nothing,heart", "display text"),
        ("combo-code:text=left", "part"),
        ("component-code:text=left", "part"),
        ("subject:text=ada", "display"),
        ("identifier:text=medical", "part"),
    ],
)
def test_a_text_beside_a_code_is_found_as_a_string_is(clinic: Clinic, query: str, expected: str) -> None:
    """Displays, the text of a concept and of an identifier's type, the display of a reference: by how they start."""
    clinic.put(
        observation("Patient/p", id="display", code=_code("Heart rate"))
        | {"subject": {"reference": "Patient/p", "display": "Ada B"}},
        observation("Patient/p", id="text", code=_code("Something else", "heart beat")),
        observation("Patient/p", id="none", code=_code()),
        observation(
            "Patient/p",
            id="part",
            code=_code(),
            component=[{"code": _code("Left arm")}],
            identifier=[{"type": {"text": "Medical record"}, "value": "1"}],
        ),
    )
    assert sorted(clinic.ids(f"Observation?{query}")) == expected.split()


def test_texts_follow_the_current_version(clinic: Clinic) -> None:
    """A text that a resource no longer has finds it no more."""
    clinic.put(observation("Patient/p", id="o", code=_code("Heart rate")))
    clinic.put(observation("Patient/p", id="o", code=_code("Pulse")))
    assert clinic.ids("Observation?code:text=heart") == []
    assert clinic.ids("Observation?code:text=pulse") == ["o"]


@pytest.mark.spec("FHIR R4 search.html#uri")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("url=http://a.test/fhir/ValueSet/one", "one"),
        ("url=http://a.test/fhir/ValueSet/One", ""),
        ("url:below=http://a.test/fhir", "one top two"),
        ("url:below=http://a.test/fhir/", "one top two"),
        ("url:below=http://a.test/fhir/Value", ""),
        ("url:below=http://a.test/fhir/ValueSet/one", "one"),
        ("url:below=http://a.test", "one other top two"),
        ("url:above=http://a.test/fhir/ValueSet/one/_history/2", "one top"),
        ("url:above=http://a.test/fhir", "top"),
        ("url=urn:oid:1.2.3", "urn"),
    ],
)
def test_urls_lie_above_and_below_each_other_by_segments(clinic: Clinic, query: str, expected: str) -> None:
    """Whole segments count, not letters; a URL lies above and below itself."""
    urls = {
        "top": "http://a.test/fhir/",
        "one": "http://a.test/fhir/ValueSet/one",
        "two": "http://a.test/fhir/ValueSet/two",
        "other": "http://a.test/else",
        "urn": "urn:oid:1.2.3",
    }
    clinic.put(*({"resourceType": "ValueSet", "id": id_, "status": "active", "url": url} for id_, url in urls.items()))
    assert sorted(clinic.ids(f"ValueSet?{query}")) == expected.split()


@pytest.mark.spec("FHIR R4 references.html#canonical")
def test_a_profile_is_found_with_and_without_its_version(clinic: Clinic) -> None:
    """A canonical URL with a version is also found without, and by what it lies below."""
    profile = "http://p.test/us/StructureDefinition/one"
    clinic.put(patient(id="v", meta={"profile": [f"{profile}|1.0"]}), patient(id="p", meta={"profile": [profile]}))
    assert sorted(clinic.ids(f"Patient?_profile={profile}")) == ["p", "v"]
    assert clinic.ids(f"Patient?_profile={profile}|1.0") == ["v"]
    assert clinic.ids(f"Patient?_profile={profile}|2.0") == []
    assert sorted(clinic.ids("Patient?_profile:below=http://p.test/us")) == ["p", "v"]


@pytest.mark.spec("FHIR R4 references.html#canonical")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("http://q.test/q", "none one one-two two"),
        ("http://q.test/q|1", "one"),
        (":below=http://q.test/q|1", "one one-two"),
        (":below=http://q.test/q|1.2", "one-two"),
        (":above=http://q.test/q|1.2.3", "one one-two"),
        (":below=http://q.test/q|3", ""),
    ],
)
def test_versions_of_a_canonical_reference_are_a_hierarchy(clinic: Clinic, query: str, expected: str) -> None:
    """1.2 is below 1, and 10 is not."""
    versions = {"none": "", "one": "|1", "one-two": "|1.2", "two": "|10"}
    clinic.put(
        *(
            {
                "resourceType": "QuestionnaireResponse",
                "id": id_,
                "status": "completed",
                "questionnaire": f"http://q.test/q{version}",
            }
            for id_, version in versions.items()
        )
    )
    name = "questionnaire" if query.startswith(":") else "questionnaire="
    assert sorted(clinic.ids(f"QuestionnaireResponse?{name}{query}")) == expected.split()


@pytest.mark.spec("FHIR R4 search.html#token")
def test_case_counts_where_the_code_system_says_so(clinic: Clinic) -> None:
    """Of a case sensitive system only the code itself; without a system, or of others, in any case."""
    clinic.put(observation("Patient/p", id="o", status="final", code=_code(code="Ab-1")))
    status = "http://hl7.org/fhir/observation-status"
    for query, expected in {
        f"status={status}|final": ["o"],
        f"status={status}|FINAL": [],
        "status=FINAL": ["o"],
        f"code={LOINC}|aB-1": ["o"],
        "category=VITAL-SIGNS": ["o"],
        "category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs": ["o"],
        "category=http://terminology.hl7.org/CodeSystem/observation-category|VITAL-SIGNS": [],
    }.items():
        assert clinic.ids(f"Observation?{query}") == expected, query


@pytest.mark.parametrize(
    ("query", "category"),
    [
        ("code:in=http://v.test", Category.INVALID),
        ("code:not-in=http://hl7.org/fhir/ValueSet/observation-codes", Category.INVALID),
        ("code:below=http://loinc.org|1-8", Category.INVALID),
        ("code:above=1-8", Category.INVALID),
        ("identifier:in=http://v.test", Category.UNSUPPORTED),
        ("subject:below=Patient/a", Category.UNSUPPORTED),
        ("code:of-type=a|b|c", Category.INVALID),
        ("code:contains=a", Category.INVALID),
        ("code:text=", Category.INVALID),
        ("instantiates-canonical:below=http://p.test", Category.INVALID),
        ("_profile:below=urn:oid:1.2", Category.INVALID),
        ("_profile:contains=a", Category.INVALID),
        ("value-quantity:exact=5", Category.INVALID),
    ],
)
def test_a_modifier_that_cannot_be_answered_is_refused(clinic: Clinic, query: str, category: Category) -> None:
    """By name where R4 has it and it waits for a hierarchy, or terminology is not known; as unknown otherwise."""
    type_name = "ServiceRequest" if query.startswith("instantiates") else "Observation"
    with pytest.raises(HealixError, match=query.partition(":")[0]) as refusal:
        clinic.page(f"{type_name}?{query}", strict=True)
    assert refusal.value.category is category
