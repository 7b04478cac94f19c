"""What a rule says of a patient at a time. Pure functions.

Spec: FHIR R4, hl7.org/fhir/R4/plandefinition-definitions.html#PlanDefinition.action.condition
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from healix_fhir.care.alerts.observed import Observed
from healix_fhir.care.alerts.phase import Verdict
from healix_fhir.care.alerts.rule import Code, Input, Rule
from healix_fhir.model.fhirpath.engine import Environment, Expression, Node

STEPS = 50_000
"""The budget of one condition: some hundredths of a second at most."""
PLAIN = Environment(steps=STEPS)


def judge(rule: Rule, focus: Node, at: datetime, windows: Mapping[str, Sequence[Observed]]) -> Verdict:
    """The verdict of a rule. Raises what evaluation raises: the rule cannot be evaluated on this."""
    environment = PLAIN
    if windows:
        constants = {name: tuple([one.node for one in listed]) for name, listed in windows.items()}
        environment = Environment(constants=constants, clock=lambda: at, steps=STEPS)
    raises = _all(rule.when, focus, environment)
    clears = not raises and (not rule.until or _all(rule.until, focus, environment))
    return Verdict(at, raises, clears)


def _all(conditions: Sequence[Expression], focus: Node, environment: Environment) -> bool:
    """Whether each condition is true: what has no answer is not."""
    for condition in conditions:
        items = condition.evaluate({}, focus=focus, environment=environment)
        if len(items) != 1 or items[0].value is not True:
            return False
    return True


def window(one: Input, at: datetime, known: Mapping[str, Sequence[Observed]]) -> list[Observed]:
    """The Observations that an input names at a time, each once, oldest first; `known` are those by code."""
    found: dict[str, Observed] = {}
    for _, code in one.codes:
        for observed in known.get(code, ()):
            if at - one.window < observed.at <= at and _has(observed, one.codes):
                found[observed.id] = observed
    return sorted(found.values(), key=lambda observed: (observed.at, observed.id))


def _has(observed: Observed, codes: Sequence[Code]) -> bool:
    return any((system, code) in codes or (None, code) in codes for system, code in observed.codings())


def labels(evidence: Sequence[Observed]) -> list[dict[str, Any]]:
    """The security labels of what an alert rests on, each once: who may not see that, may not see the alert."""
    found = {
        (one.get("system"), one.get("code")): one
        for observed in evidence
        for one in observed.resource.get("meta", {}).get("security", ())
    }
    return list(found.values())
