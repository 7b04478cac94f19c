"""A medication as an order, a statement or a dispense names it: its codes, and those of its ingredients.

Spec: FHIR R4, hl7.org/fhir/R4/medicationrequest-definitions.html#MedicationRequest.medication_x_,
hl7.org/fhir/R4/medication-definitions.html#Medication.ingredient
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from healix_fhir.operation.told import concept_text

Json: TypeAlias = Mapping[str, Any]
Coding: TypeAlias = tuple[str, str]
"""System and code."""
NAMELESS = "a medication without a name"


class Drug(msgspec.Struct, frozen=True):
    """`reference` is where it stands, `name` what people call it. `codes` are its own, `parts` those of ingredients."""

    reference: str
    name: str
    codes: frozenset[Coding] = frozenset()
    parts: frozenset[Coding] = frozenset()

    @property
    def substances(self) -> frozenset[Coding]:
        """Every code that says what it is or holds."""
        return self.codes | self.parts


def drug_of(resource: Json, medications: Mapping[str, Json]) -> Drug:
    """The medication of a resource; `medications` are Medications and Substances by `Type/id`."""
    reference = f"{resource['resourceType']}/{resource['id']}" if "id" in resource else ""
    contained = {f"#{one['id']}": one for one in resource.get("contained", ()) if "id" in one}
    known = {**medications, **contained}
    concept = resource.get("medicationCodeableConcept") or {}
    medication: Json = {}
    if "medicationReference" in resource:
        medication = known.get(str(resource["medicationReference"].get("reference", "")), {})
        concept = medication.get("code") or {}
    said = concept_text(concept) or str(resource.get("medicationReference", {}).get("display", ""))
    return Drug(reference, said or NAMELESS, codings(concept), frozenset(_parts(medication, known)))


def codings(concept: Json) -> frozenset[Coding]:
    """The codes of a concept that say of which system they are."""
    return frozenset(
        (one["system"], one["code"]) for one in concept.get("coding", ()) if one.get("system") and one.get("code")
    )


def _parts(medication: Json, known: Mapping[str, Json]) -> Iterator[Coding]:
    for ingredient in medication.get("ingredient", ()):
        yield from codings(ingredient.get("itemCodeableConcept") or {})
        item = known.get(str(ingredient.get("itemReference", {}).get("reference", "")), {})
        yield from codings(item.get("code") or {})


def by_reference(resources: Iterable[Json]) -> dict[str, Json]:
    """Medications and Substances as `drug_of` looks for them."""
    kinds = ("Medication", "Substance")
    return {f"{one['resourceType']}/{one['id']}": one for one in resources if one.get("resourceType") in kinds}
