"""SNOMED CT from the snapshot of a release in RF2.

Relationships of inferred form are read: is-a gives the hierarchy, every attribute is a property of the concept's code;
groups of attributes are not kept. Members of simple reference sets have the property `refset`.

Spec: SNOMED CT Release File Specifications, 4.2; FHIR R4, hl7.org/fhir/R4/snomedct.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from healix_fhir.kernel.errors import invalid
from healix_fhir.terminology.content import Contents
from healix_fhir.terminology.loading.distribution import Distribution
from healix_fhir.terminology.loading.format import Format, Wanted, contents
from healix_fhir.terminology.loading.gathered import Concept, Gathered

URL = "http://snomed.info/sct"
CONCEPTS = r"(^|/)x?sct2_Concept_Snapshot_[^/]*\.txt$"
DESCRIPTIONS = r"(^|/)x?sct2_(Description|TextDefinition)_Snapshot[^/]*\.txt$"
RELATIONSHIPS = r"(^|/)x?sct2_Relationship_Snapshot_[^/]*\.txt$"
CONCRETE = r"(^|/)x?sct2_RelationshipConcreteValues_Snapshot_[^/]*\.txt$"
LANGUAGES = r"(^|/)x?der2_cRefset_LanguageSnapshot[^/]*\.txt$"
SIMPLE = r"(^|/)x?der2_Refset_SimpleSnapshot[^/]*\.txt$"
IS_A = "116680003"
DEFINED = "900000000000073002"
PREFERRED = "900000000000548007"
DEFINITION = "900000000000550004"
USES = {"900000000000003001": "Fully specified name", "900000000000013009": "Synonym", DEFINITION: "Definition"}
FULL, SYNONYM = tuple(USES)[:2]
EDITIONS = {"INT": "900000000000207008", "US1000124": "731000124108", "AU1000036": "32506021000036107"}
"""The module of an edition by how its files are named."""
RELEASE = re.compile(r"_([A-Z]{2,3}\d*)_(\d{8})\.txt$")
HEADERS = {
    CONCEPTS: "id effectiveTime active moduleId definitionStatusId",
    DESCRIPTIONS: "id effectiveTime active moduleId conceptId languageCode typeId term caseSignificanceId",
    RELATIONSHIPS: "id effectiveTime active moduleId sourceId destinationId relationshipGroup typeId"
    " characteristicTypeId modifierId",
    CONCRETE: "id effectiveTime active moduleId sourceId value relationshipGroup typeId"
    " characteristicTypeId modifierId",
    LANGUAGES: "id effectiveTime active moduleId refsetId referencedComponentId acceptabilityId",
    SIMPLE: "id effectiveTime active moduleId refsetId referencedComponentId",
}
ACTIVE = 2


def read(files: Distribution, wanted: Wanted) -> Contents:
    """The code system. Raises Invalid with file and line."""
    found = Gathered()
    name = files.one(CONCEPTS, "a snapshot of concepts (sct2_Concept_Snapshot_….txt)")
    for line, row in _rows(files, name, CONCEPTS):
        concept = found.add(row[0])
        if concept is None:
            raise files.wrong(name, line, f"the concept {row[0]} stands here again")
        concept.inactive = row[ACTIVE] != "1"
        concept.has("effectiveTime", row[1])
        concept.has("moduleId", row[3], "code")
        concept.has("sufficientlyDefined", "true" if row[4] == DEFINED else "false", "boolean")
    _describe(files, found)
    _relate(files, found)
    return contents(found, wanted, url=URL, version=wanted.version or _version(name), name="SNOMED_CT")


def _describe(files: Distribution, found: Gathered) -> None:
    preferred = {row[5] for row in _active(files, LANGUAGES) if row[6] == PREFERRED}
    for _, row in _of(files, DESCRIPTIONS):
        concept = found.get(row[4])
        if concept is None or row[ACTIVE] != "1":
            continue
        if row[6] == DEFINITION:
            concept.definition = concept.definition or row[7]
            continue
        is_preferred = row[6] == SYNONYM and row[0] in preferred and row[5] == "en"
        if is_preferred and (concept.display is None or concept.display == _full(concept)):
            concept.display = row[7]
        concept.named(row[7], row[5], (URL, row[6], USES.get(row[6], row[6])))
        if row[6] == FULL and row[5] == "en" and concept.display is None:
            concept.display = row[7]
    for concept in found:
        if concept.display is None and concept.designations:
            concept.display = concept.designations[0].value


def _full(concept: Concept) -> str | None:
    return next((one.value for one in concept.designations if one.use_code == FULL), None)


def _relate(files: Distribution, found: Gathered) -> None:
    for name in files.find(RELATIONSHIPS):
        for line, row in _rows(files, name, RELATIONSHIPS):
            concept = found.get(row[4])
            if row[ACTIVE] != "1" or concept is None:
                continue
            if row[7] != IS_A:
                concept.has(row[7], row[5], "code")
            elif row[5] in found:
                concept.below(row[5])
            else:
                raise files.wrong(name, line, f"the concept {row[5]} does not stand among the concepts")
    for row in _active(files, CONCRETE):
        if (concept := found.get(row[4])) is not None:
            concept.has(row[7], row[5].lstrip('#"').rstrip('"'), "decimal" if row[5].startswith("#") else "string")
    for row in _active(files, SIMPLE):
        if (concept := found.get(row[5])) is not None:
            concept.has("refset", row[4], "code")


def _active(files: Distribution, pattern: str) -> Iterator[list[str]]:
    return (row for _, row in _of(files, pattern) if row[ACTIVE] == "1")


def _of(files: Distribution, pattern: str) -> Iterator[tuple[int, list[str]]]:
    for name in files.find(pattern):
        yield from _rows(files, name, pattern)


def _rows(files: Distribution, name: str, pattern: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file after its header."""
    header = HEADERS[pattern].split()
    for line, text in files.lines(name):
        row = text.rstrip("\r\n").split("\t")
        if line == 1:
            if row != header:
                raise files.wrong(name, 1, f"the columns are not those of RF2: {', '.join(header)}")
        elif len(row) != len(header):
            raise files.wrong(name, line, f"a row has {len(header)} values, not {len(row)}")
        else:
            yield line, row


def _version(name: str) -> str:
    """The uri of edition and version. Spec: SNOMED CT URI Standard 2.5"""
    match = RELEASE.search(name)
    if match is None or match[1] not in EDITIONS:
        raise invalid(f"{name} does not say its edition: name it by --version {URL}/MODULE/version/YYYYMMDD")
    return f"{URL}/{EDITIONS[match[1]]}/version/{match[2]}"


SNOMED = Format(
    "snomed", "SNOMED CT, a snapshot in RF2", (CONCEPTS, DESCRIPTIONS, RELATIONSHIPS, CONCRETE, LANGUAGES, SIMPLE), read
)
