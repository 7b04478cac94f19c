"""Reference targets: the types and profiles that the resource at the other end may have.

The type is told from the reference itself, or from the resource where that is contained, in the same Bundle or written
by the same transaction. Only these are held to the target's profiles; a resource elsewhere was judged when it was
written.

Spec: FHIR R4, hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.type.targetProfile
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.fhirpath.evaluate.node import Node
from healix_fhir.model.problems import Problem
from healix_fhir.model.profile.definition import Definition, split
from healix_fhir.model.profile.inspection import CORE, DEPTH, NONE, Check, Inspection, has_error, problem
from healix_fhir.model.profile.library import Library

Judge = Callable[[str, Node, Inspection], Sequence[Problem]]
"""What is wrong with a resource by a profile."""

ANY = ("Resource", "DomainResource")


def target_check(canonicals: Sequence[str], near: Definition, library: Library, judge: Judge) -> Check | None:
    """The check of a Reference against its target profiles; None where they say nothing."""
    wanted: dict[str, list[str]] = {}
    for canonical in canonicals:
        name = split(canonical)[0].removeprefix(CORE)
        if name in ANY:
            return None
        if name in TYPE_ID:
            wanted.setdefault(name, []).append("")
            continue
        definition = library.find(canonical, near)
        if definition is None:
            return _unknown(canonical)
        wanted.setdefault(str(definition.body.get("type")), []).append(canonical)
    return _check(wanted, judge) if wanted else None


def _unknown(canonical: str) -> Check:
    def check(node: Node, _inspection: Inspection) -> Sequence[Problem]:
        return problem(node, "not-supported", f"the target profile {canonical} is not known", "information")

    return check


def _check(wanted: Mapping[str, Sequence[str]], judge: Judge) -> Check:
    words = " or ".join(sorted(wanted))

    def check(node: Node, inspection: Inspection) -> Sequence[Problem]:
        name = inspection.target_type(node)
        if name is None:
            return NONE  # a logical reference, or an address that tells no type
        if name not in wanted:
            place = f"{node.location}.reference"
            return [Problem(place, "value", f"must refer to {words}, not to {name}")]
        return _conforms(node, wanted[name], inspection, judge)

    return check


def _conforms(node: Node, profiles: Sequence[str], inspection: Inspection, judge: Judge) -> Sequence[Problem]:
    target = inspection.resolve(node)
    if target is None or "" in profiles or inspection.depth >= DEPTH:
        return NONE
    found = [judge(profile, target, inspection.deeper()) for profile in profiles]
    if not all(has_error(problems) for problems in found):
        return NONE
    first = next(one for one in found[0] if one.severity == "error")
    message = f"the resource referred to does not conform to {' or '.join(profiles)}: {first.location}: {first.message}"
    return [Problem(f"{node.location}.reference", "value", message[:600])]
