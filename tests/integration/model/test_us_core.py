"""US Core's official examples, and real bundles of Synthea, against US Core's profiles."""

from __future__ import annotations

import tomllib
from collections import Counter

import pytest

from healix_fhir.kernel.errors import Issue
from healix_fhir.model.json import decode, encode
from healix_fhir.model.profile.judge import Extent, judge
from healix_fhir.model.profile.library import Library
from tests.support.profiles import Json, package_files, package_library
from tests.support.resources import REPOSITORY, synthea_resources

EXCLUSIONS = REPOSITORY / "conformance" / "exclusions.toml"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
VITAL_SIGNS = "http://hl7.org/fhir/StructureDefinition/vitalsigns"
PROFILES = {
    "Patient": "patient",
    "Practitioner": "practitioner",
    "Organization": "organization",
    "Encounter": "encounter",
    "Condition": "condition",
    "MedicationRequest": "medicationrequest",
    "Procedure": "procedure",
    "Immunization": "immunization",
    "DiagnosticReport": "diagnosticreport-lab",
    "CarePlan": "careplan",
    "Goal": "goal",
    "AllergyIntolerance": "allergyintolerance",
}


def errors(issues: tuple[Issue, ...]) -> list[Issue]:
    """Those that refuse the resource."""
    return [issue for issue in issues if issue.severity == "error"]


@pytest.mark.parametrize(("version", "count"), [("311", 84), ("610", 183)])
@pytest.mark.spec("FHIR R4 validation.html")
def test_examples(version: str, count: int) -> None:
    """Every example of the package meets what it claims and R4's own rules, but for those that are excluded by name."""
    archive = f"us_core_{version}.tgz"
    library = package_library(archive)
    refused, seen = set(), 0
    for name, example in package_files(archive):
        if name.startswith("package/example/") and "resourceType" in example:
            seen += 1
            resource = decode(encode(example))
            if errors(judge(resource, resource["resourceType"], Extent(), library)):
                refused.add(name.rpartition("/")[2].removesuffix(".json"))
    excluded = tomllib.loads(EXCLUSIONS.read_text(encoding="utf-8"))[f"us-core-{version}-examples"]
    assert (refused, seen) == (set(excluded), count)


def _profile(resource: Json) -> str | None:
    if resource["resourceType"] == "Observation":
        kind = resource["category"][0]["coding"][0]["code"]
        return {"laboratory": f"{US_CORE}observation-lab", "vital-signs": VITAL_SIGNS}.get(kind)
    name = PROFILES.get(resource["resourceType"])
    return US_CORE + name if name else None


def test_synthea_against_us_core_3_1_1() -> None:
    """Synthea's resources claim no profile; held to those of US Core 3.1.1, they fail where they lack categories.

    Conditions have none at all, care plans none of US Core; nothing else of 6,382 resources has an error.
    """
    library = package_library("us_core_311.tgz")
    failed: Counter[tuple[str, str]] = Counter()
    judged = 0
    for resource in synthea_resources():
        profile = _profile(resource)
        if profile is not None:
            judged += 1
            extent = Extent((profile,), base=False, extensions=False)
            for issue in errors(judge(resource, resource["resourceType"], extent, library)):
                failed[issue.code, issue.expression[0]] += 1
    assert judged == 6382
    assert failed == {("required", "Condition.category"): 227, ("required", "CarePlan.category"): 82}


def test_synthea_against_r4() -> None:
    """Of all resources one patient breaks a rule of R4 or of an extension: a race that US Core's value set lacks."""
    library = package_library("us_core_311.tgz")
    found = [
        issue
        for resource in synthea_resources()
        for issue in errors(judge(resource, resource["resourceType"], Extent(), library))
    ]
    assert [(issue.code, issue.expression) for issue in found] == [
        ("code-invalid", ("Patient.extension[0].extension[0].value",))
    ]


def test_versions_side_by_side() -> None:
    """With two versions of a package the later one is meant, unless a version is named."""
    library: Library = package_library("us_core_311.tgz", "us_core_610.tgz")
    url = f"{US_CORE}smokingstatus"
    for canonical, version in ((url, "6.1.0"), (f"{url}|3.1.1", "3.1.1"), (f"{url}|6.1.0", "6.1.0")):
        assert library.structure(canonical).version == version
    older = library.structure(f"{url}|3.1.1")
    assert library.structure(f"{US_CORE}patient", near=older).version == "3.1.1"
