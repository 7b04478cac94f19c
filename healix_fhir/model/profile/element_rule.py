"""The rule of one element on the node that holds it: how many values, and what each of them must be.

Spec: FHIR R4, hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from healix_fhir.model.elements import RESTRICTED
from healix_fhir.model.fhirpath.evaluate.node import Node
from healix_fhir.model.problems import LIMIT, Problem
from healix_fhir.model.profile.below import below
from healix_fhir.model.profile.inspection import NONE, Check, Inspection, problem
from healix_fhir.model.profile.slicing import Slicing


def element_rule(name: str, value: Check | None, least: int, most: int | None, slicing: Slicing | None) -> Check:
    """The rule of the element `name`: `value` is on each of its values, `slicing` on all together."""

    def rule(parent: Node, inspection: Inspection) -> Sequence[Problem]:
        nodes = below(parent, name)
        found: list[Problem] = []
        if len(nodes) < least:
            found.append(Problem(f"{parent.location}.{name}", "required", _too_few(name, least, len(nodes))))
        elif most is not None and len(nodes) > most:
            message = (
                f"'{name}' may be there {most} times, here are {len(nodes)}" if most else f"'{name}' is not allowed"
            )
            found += problem(nodes[most], "structure", message)
        if value is not None:
            for node in nodes:
                found += value(node, inspection)
                if len(found) > LIMIT:
                    break
        if slicing is not None:
            found += slicing.problems(parent, nodes, inspection)
        return found

    return rule


def _too_few(name: str, least: int, count: int) -> str:
    return f"'{name}' is required" if least == 1 else f"'{name}' must be there {least} times, here are {count}"


def inside(rules: Sequence[Check]) -> Check | None:
    """The rules of all elements of a node as one; None for none."""
    if not rules:
        return None

    def check(node: Node, inspection: Inspection) -> Sequence[Problem]:
        inspection.check_time()
        found: list[Problem] = []
        for rule in rules:
            found += rule(node, inspection)
        return found

    return check


def by_type(checks: Mapping[str, Check], *, single: bool) -> Check | None:
    """One check that chooses by the type of the value; `single` where an element has one type only."""
    if not checks:
        return None
    if single:
        return next(iter(checks.values()))
    by_name = {RESTRICTED.get(structure, structure): check for structure, check in checks.items()}

    def check(node: Node, inspection: Inspection) -> Sequence[Problem]:
        found = by_name.get(node.type)
        return found(node, inspection) if found is not None else NONE

    return check


def not_allowed(codes: Sequence[str]) -> Check:
    """The check of values whose type a profile does not admit."""
    words = " or ".join(sorted(codes))

    def check(node: Node, _inspection: Inspection) -> Sequence[Problem]:
        return problem(node, "structure", f"must be of type {words}, not {node.type}")

    return check
