"""Snapshots made from differentials beside those that were published: R4's own, and US Core's."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from typing import Any

import pytest

from healix_fhir.model.profile.compact import element as without_prose
from healix_fhir.model.profile.definition import Definition
from healix_fhir.model.profile.element_tree import flatten
from healix_fhir.model.profile.library import Library
from tests.support.profiles import package_definitions
from tests.support.resources import shared_data

Json = dict[str, Any]

EVERYWHERE = ("ele-1", "ext-1")  # checked for every element and extension without being repeated in snapshots
NEEDS_OTHERS = {"http://hl7.org/fhir/us/core/StructureDefinition/us-core-questionnaireresponse"}  # based on SDC's


R4_DIFFERS = {
    # our source has elements, types and bindings of later versions of FHIR in these snapshots, or its own
    "AuditEvent", "Binary", "Bundle", "DetectedIssue", "DeviceDefinition", "EvidenceVariable", "MeasureReport", "Meta",
    "ObservationDefinition", "ResearchStudy",
    # values of primitives, whose limits another table of ours holds
    "code", "id", "markdown", "positiveInt", "unsignedInt",
    # profiles published without parts of their base, or with the elements of a data type repeated in it
    "catalog", "cholesterol", "elementdefinition-de", "familymemberhistory-genetic", "hdlcholesterol", "ldlcholesterol",
    "provenance-relevant-history", "Timing",
}  # fmt: skip
PERCENTILES = {
    "head-occipital-frontal-circumference-percentile", "pediatric-bmi-for-age", "pediatric-weight-for-height",
}  # fmt: skip
SLICES = {
    # slices made of an element that is itself constrained: ours start with those constraints
    "us-core-organization", "us-core-practitioner", "us-core-provenance", "us-core-documentreference",
    # a choice of which one type is sliced and required: closed when published, open and required when made by us
    "us-core-observation-occupation", "us-core-observation-pregnancyintent", "us-core-observation-pregnancystatus",
    "us-core-pulse-oximetry", "us-core-smokingstatus",
}  # fmt: skip
OLD = {
    # the publisher of 2020 closed every choice of which one type is mentioned
    *PERCENTILES, "us-core-birthsex", "us-core-direct", "us-core-ethnicity", "us-core-goal", "us-core-organization",
    "us-core-practitioner", "us-core-provenance", "us-core-pulse-oximetry", "us-core-race", "us-core-smokingstatus",
    # parts left out or added by hand
    "us-core-diagnosticreport-lab", "us-core-diagnosticreport-note", "us-core-patient",
}  # fmt: skip


def compare(definitions: Iterable[Definition], known: Library) -> tuple[int, int, set[str]]:
    """How many published elements are made alike, how many there are, and the definitions in which some differ."""
    alike, total = 0, 0
    differing = set()
    for definition in definitions:
        published = _normal(definition.body["snapshot"]["element"])
        without = Definition(definition.url, definition.version, definition.body | {"snapshot": {}}, definition.package)
        made = _normal(flatten(known.tree(without)))
        same = sum(made.get(id_) == element for id_, element in published.items())
        alike, total = alike + same, total + len(published)
        if same < len(published) or made.keys() != published.keys():
            differing.add(definition.url.rpartition("/")[2])
    return alike, total, differing


def _normal(elements: Iterable[Json]) -> dict[str, Json]:
    """What elements say, by id: without prose, and without what changes nothing."""
    found = {element["id"]: _said(element) for element in elements}
    for id_, element in found.items():
        if id_.endswith("xtension") and not any(other.startswith(f"{id_}:") for other in found):
            element.pop("slicing", None)  # that extensions are sliced by url
    return found


def _said(element: Json) -> Json:
    said = {name: value for name, value in without_prose(element).items() if value is not False}
    if "contentReference" in said:  # with or without the url of the definition
        said["contentReference"] = said["contentReference"].partition("#")[2]
    own = [constraint for constraint in said.pop("constraint", ()) if constraint["key"] not in EVERYWHERE]
    if own:
        said["constraint"] = sorted(own, key=lambda constraint: str(constraint["key"]))
    if "slicing" in said:
        said["slicing"] = {name: value for name, value in said["slicing"].items() if value is not False}
    return said


def _r4() -> list[Definition]:
    found = []
    for name in ("profiles-types", "profiles-resources", "profiles-others", "extension-definitions"):
        bundle = json.loads(gzip.decompress((shared_data("fhir/definitions") / f"{name}.json.gz").read_bytes()))
        found += [entry["resource"] for entry in bundle["entry"]]
    return [Definition(d["url"], "4.0.1", d) for d in found if d["resourceType"] == "StructureDefinition"]


@pytest.mark.spec("FHIR R4 profiling.html#snapshot")
def test_r4() -> None:
    """Of 13,027 published elements of R4, 12,896 are made alike from the differentials."""
    library = Library(closed=True)
    alike, total = 0, 0
    differing: set[str] = set()
    for definition in _r4():
        own = library.structure(definition.url)  # with the closed choices that the distiller has put in
        merged = Definition(own.url, own.version, definition.body | {"differential": own.body["differential"]})
        one = compare([merged], library)
        alike, total, differing = alike + one[0], total + one[1], differing | one[2]
    assert (alike, total) == (12896, 13027)
    assert differing == R4_DIFFERS


@pytest.mark.parametrize(
    ("archive", "alike", "total", "differing"),
    [("us_core_311.tgz", 1450, 1516, OLD), ("us_core_610.tgz", 2828, 2862, SLICES)],
)
@pytest.mark.spec("FHIR R4 profiling.html#snapshot")
def test_us_core(archive: str, alike: int, total: int, differing: set[str]) -> None:
    """Nearly all published elements of US Core are made alike from the differentials."""
    library = Library(closed=True)
    definitions = [
        d for d in package_definitions(archive) if d.kind == "StructureDefinition" and d.url not in NEEDS_OTHERS
    ]
    # bases within the package are made from differentials too
    library.put({d.url: [Definition(d.url, d.version, d.body | {"snapshot": {}}, d.package)] for d in definitions})
    found = compare(definitions, library)
    assert found == (alike, total, differing)
