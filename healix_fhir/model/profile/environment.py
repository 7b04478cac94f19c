"""What FHIRPath asks of profiles and value sets while it is evaluated: memberOf() and conformsTo().

Spec: FHIR R4, hl7.org/fhir/R4/fhirpath.html#functions
"""

from __future__ import annotations

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.fhirpath.evaluate.node import Node
from healix_fhir.model.fhirpath.evaluate.scope import Environment
from healix_fhir.model.profile.answer import Answer, any_of
from healix_fhir.model.profile.binding import CODES
from healix_fhir.model.profile.compiler import judge
from healix_fhir.model.profile.inspection import Inspection, has_error
from healix_fhir.model.profile.library import Library
from healix_fhir.model.profile.value_set import value_set


def environment(library: Library) -> Environment:
    """The environment of invariants. What is not known is answered with None, which FHIRPath refuses by name."""

    def member_of(node: Node, canonical: str) -> Answer:
        codes, members = CODES.get(node.structure or node.type), value_set(canonical, library)
        if codes is None or members is None or node.value is None:
            return None
        return any_of(members.contains(system, code) for system, code in codes(node.value))

    def conforms_to(node: Node, canonical: str) -> Answer:
        try:
            return not has_error(judge(canonical, None, node, Inspection(library, made)))
        except HealixError:
            return None

    made = Environment(member_of=member_of, conforms_to=conforms_to, several_as=True)
    return made
