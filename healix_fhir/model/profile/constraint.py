"""Invariants: the FHIRPath rules of a definition.

A rule that cannot be evaluated (it asks for a terminology or a resource that is not at hand) is told of, by its key,
and taken neither as kept nor as broken.

Spec: FHIR R4, hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.fhirpath.engine import Expression, expression
from healix_fhir.model.fhirpath.evaluate.node import Node
from healix_fhir.model.problems import Problem
from healix_fhir.model.profile.inspection import NONE, Check, Inspection, problem

Json = dict[str, Any]

STRUCTURAL = frozenset({"ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "txt-1", "txt-2", "ref-1", "sqty-1"})
"""Invariants that the base rules check (healix_fhir/model/structure, contained, narrative, literals)."""

ERRATA = {
    ("que-7", "operator = 'exists' implies (answer is Boolean)"): "operator = 'exists' implies (answer is boolean)"
}
"""Rules of 4.0.1 that say something else than they mean, and how a later version has them.

`Boolean` is the type of FHIRPath, which no element of FHIR has: as published, que-7 refuses every `exists`.
Spec: FHIR R4B (4.3.0), hl7.org/fhir/R4B/questionnaire.html#invs
"""


def constraint_checks(definition: Json, inherited: frozenset[str]) -> Iterator[Check]:
    """The checks of the invariants on an element, but for those that are checked elsewhere."""
    for constraint in definition.get("constraint", ()):
        key, text = str(constraint.get("key")), constraint.get("expression")
        if isinstance(text, str) and key not in STRUCTURAL and key not in inherited:
            severity = "error" if constraint.get("severity") == "error" else "warning"
            yield _check(key, str(constraint.get("human", text)), severity, ERRATA.get((key, text), text))


def _check(key: str, human: str, severity: str, text: str) -> Check:
    compiled: list[Expression] = []

    def check(node: Node, inspection: Inspection) -> Sequence[Problem]:
        inspection.check_time()
        try:
            if not compiled:
                compiled.append(expression(text))
            holds = compiled[0].holds(node, inspection.environment)
        except HealixError as error:
            return problem(node, "not-supported", f"{key} cannot be checked: {error.message}", "information")
        return NONE if holds else problem(node, "invariant", f"{human} ({key})", severity)

    return check
