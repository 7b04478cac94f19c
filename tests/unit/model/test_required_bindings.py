"""Required bindings of the definitions on every write: which are lists, which are grammars, and that these are all."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.model.elements import elements, required_codes, structures
from healix_fhir.model.literals import UNITS
from healix_fhir.model.primitive_rules import PATTERNS
from healix_fhir.model.validate import validate

Json = dict[str, Any]
LOADED = {"http://loinc.org/vs/LL379-9"}
"""What only a loaded code system can tell: MolecularSequence.structureVariant.variantType."""
BY_VERSION = {"http://terminology.hl7.org/ValueSet/v3-ConfidentialityClassification"}
"""What others may publish anew: R4 names the version of 2014."""


@pytest.mark.spec("FHIR R4 terminologies.html#required")
def test_every_required_binding_is_closed() -> None:
    """Each is a list of the definitions, which nobody can replace under its url or version, or a grammar."""
    bound = {one.binding for name in structures() for one in elements(name).values() if one.binding}
    lists = {one for one in bound if required_codes(one) is not None}
    assert bound - lists == {*PATTERNS, UNITS, *LOADED}
    assert {one for one in lists if not one.startswith("http://hl7.org/fhir/ValueSet/")} == BY_VERSION
    assert len(lists) > 200


@pytest.mark.spec("FHIR R4 valueset-mimetypes.html")
@pytest.mark.parametrize(
    ("content_type", "good"),
    [
        ("text/plain", True),
        ("application/fhir+json; fhirVersion=4.0", True),
        ('multipart/related; type="application/dicom"', True),
        ("nonsense", False),
        ("text/", False),
        ("text/plain; x", False),
    ],
)
def test_media_types(content_type: str, *, good: bool) -> None:
    """A content type is one by its form."""
    found = validate({"resourceType": "Binary", "contentType": content_type}, "Binary")
    assert [(one.code, one.expression) for one in found] == (
        [] if good else [("code-invalid", ("Binary.contentType",))]
    )


@pytest.mark.spec("FHIR R4 valueset-ucum-units.html")
@pytest.mark.parametrize(
    ("coding", "good"),
    [
        ({"system": "http://unitsofmeasure.org", "code": "mg/dL"}, True),
        ({"system": "http://unitsofmeasure.org", "code": "milligrams"}, False),
        ({"system": "http://unitsofmeasure.org"}, False),
        ({"system": "urn:own", "code": "mg/dL"}, False),
    ],
)
def test_units(coding: Json, *, good: bool) -> None:
    """A unit that must be one of UCUM is one by its grammar."""
    estimate = {"unitOfMeasure": {"coding": [coding]}}
    resource = {
        "resourceType": "RiskEvidenceSynthesis", "status": "draft", "riskEstimate": estimate,
        **{name: {"reference": "EvidenceVariable/1"} for name in ("population", "outcome")},
    }  # fmt: skip
    place = "RiskEvidenceSynthesis.riskEstimate.unitOfMeasure"
    found = validate(resource, "RiskEvidenceSynthesis")
    assert [(one.code, one.expression) for one in found] == ([] if good else [("code-invalid", (place,))])
