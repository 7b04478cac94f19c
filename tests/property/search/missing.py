"""Which elements a search parameter reads, and searches for resources that have none of them."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from tests.property.search.question import Holds, Json, Question, at

ELEMENTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Patient": {
        "_id": ("id",),
        "_lastUpdated": ("id",),
        "_profile": ("meta.profile",),
        "active": ("active",),
        "address": ("address",),
        "address-city": ("address.city",),
        "family": ("name.family",),
        "gender": ("gender",),
        "general-practitioner": ("generalPractitioner",),
        "given": ("name.given",),
        "identifier": ("identifier",),
        "telecom": ("telecom",),
    },
    "Encounter": {"class": ("class",), "date": ("period",), "subject": ("subject",), "type": ("type",)},
    "Observation": {
        "_tag": ("meta.tag",),
        "category": ("category",),
        "code": ("code",),
        "combo-value-quantity": ("valueQuantity", "component.valueQuantity"),
        "component-code": ("component.code",),
        "component-value-quantity": ("component.valueQuantity",),
        "date": ("effectiveDateTime", "effectivePeriod", "effectiveTiming", "effectiveInstant"),
        "encounter": ("encounter",),
        "identifier": ("identifier",),
        "performer": ("performer",),
        "subject": ("subject",),
        "value-concept": ("valueCodeableConcept",),
        "value-date": ("valueDateTime", "valuePeriod"),
        "value-quantity": ("valueQuantity",),
    },
    "RiskAssessment": {"probability": ("prediction.probabilityDecimal",)},
    "ValueSet": {"url": ("url",), "version": ("version",), "name": ("name",)},
}
"""By type and parameter, the paths of which one must have a value; id stands for what no resource is without."""


def _has(resource: Json, *paths: str) -> bool:
    return any(True for path in paths for _ in at(resource, path))


def _measured(element: Json) -> bool:
    """Whether an element has a value under a code; a text cannot be asked for in a composite."""
    return _has(element, "code.coding.code") and _has(element, "valueQuantity")


SOMETIMES: Mapping[str, Mapping[str, Holds]] = {
    "Patient": {"phone": lambda r: any(one["system"] == "phone" for one in at(r, "telecom"))},
    "Observation": {
        "code-value-quantity": _measured,
        "component-code-value-quantity": lambda r: any(_measured(one) for one in at(r, "component")),
        "patient": lambda r: any("Patient/" in one.get("reference", "") for one in at(r, "subject")),
    },
}
"""What has a value of a parameter that is not told by a path: a choice among repetitions, or a composite."""


def missing_question(random: Random, type_name: str) -> Question:
    """A search for resources without a value of a parameter, or with one.

    Spec: FHIR R4, hl7.org/fhir/R4/search.html#modifiers (missing)
    """
    by_path, others = ELEMENTS[type_name], SOMETIMES.get(type_name, {})
    name = random.choice([*by_path, *others])
    wanted = random.choice([True, False])

    def holds(resource: Json) -> bool:
        present = others[name](resource) if name in others else _has(resource, *by_path[name])
        return present is not wanted

    return Question(type_name, f"{name}:missing", str(wanted).lower(), holds, f"{name} pr {str(not wanted).lower()}")
