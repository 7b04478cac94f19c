"""The rule of elements that hold a whole resource: `contained`, `Bundle.entry.resource`, and those of Parameters.

Spec: FHIR R4, hl7.org/fhir/R4/resource.html
"""

from __future__ import annotations

from typing import Any

from healix_fhir.model.contained import contained_types
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import Child, Element
from healix_fhir.model.problems import Problems, Rule, Walk, one
from healix_fhir.model.structure import rule_of


def nested_rule(element: Element, _child: Child) -> Rule:
    """The rule for a resource in `element`: of the type that its `resourceType` names."""
    inside = element.name == "contained"

    def rule(value: Any, parent: dict[str, Any], walk: Walk) -> Problems:
        if type(value) is not dict:
            return one("", "structure", "must be an object (Resource)")
        problem = type_problem(value)
        if problem:
            return one("", "structure", problem)
        if inside:
            # inside the container, whose contained resources are also those that it may refer to
            own = Walk(contained=walk.contained, bundle=walk.bundle, inside=True)
        else:
            own = Walk(contained=contained_types(value), bundle=True)
        return rule_of(value["resourceType"])(value, parent, own)

    return rule


def type_problem(resource: dict[str, Any]) -> str | None:
    """What is wrong with a resource's `resourceType`; None when it names a type of R4."""
    name = resource.get("resourceType")
    if name is None:
        return "'resourceType' is missing"
    if type(name) is not str or name not in TYPE_ID:
        return f"'{str(name)[:64]}' is no resource type of FHIR R4"
    return None
