"""Structural validation of a resource against the 4.0.1 definitions, in one walk that reports every issue.

Covered: unknown elements, cardinality, JSON types, choices, primitives and their `_name` siblings, required bindings,
reference targets, contained resources, extensions. Locations are FHIRPath, as in `Patient.contact[0].name.given[1]`.

Spec: FHIR R4, hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

from typing import Any

from healix_fhir.kernel.errors import Category, HealixError, Issue
from healix_fhir.model.contained import contained_types
from healix_fhir.model.nested import type_problem
from healix_fhir.model.problems import LIMIT, Walk
from healix_fhir.model.structure import rule_of


def validate(resource: dict[str, Any], type_name: str) -> tuple[Issue, ...]:
    """Every issue of `resource`, which must be a `type_name`; empty when it is valid. At most 1,000 are listed."""
    problem = type_problem(resource)
    if problem is None and resource["resourceType"] != type_name:
        problem = f"the resource is a {resource['resourceType']}, not a {type_name}"
    if problem is not None:
        return (Issue("structure", problem, (type_name,)),)
    problems = rule_of(type_name)(resource, {}, Walk(contained=contained_types(resource)))
    if problems is None:
        return ()
    return tuple(
        Issue(found.code, f"{type_name}{found.location}: {found.message}", (f"{type_name}{found.location}",))
        for found in problems[:LIMIT]
    )


def check(resource: dict[str, Any], type_name: str) -> None:
    """Raise Invalid with every issue unless `resource` is a valid `type_name`."""
    issues = validate(resource, type_name)
    if issues:
        raise HealixError(Category.INVALID, issues[0].message, issues=issues)
