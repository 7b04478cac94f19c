"""What a rule says of a patient at a time. Pure functions.

Spec: FHIR R4, hl7.org/fhir/R4/plandefinition-definitions.html#PlanDefinition.action.condition
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from healix_fhir.care.alerts.condition import Condition
from healix_fhir.care.alerts.observed import Observed
from healix_fhir.care.alerts.rule import Code, Input, Rule
from healix_fhir.model.fhirpath.engine import Environment, Node
from healix_fhir.model.fhirpath.evaluate.node import Items

STEPS = 50_000
"""The budget of one condition: some hundredths of a second at most."""
PLAIN = Environment(steps=STEPS)


class UnreadError(Exception):
    """A condition asks for what has not been read."""


class Windows(Mapping[str, Items]):
    """The Observations that inputs name, looked for when an expression asks for them.

    Without `find` nothing has been read. Raises UnreadError then.
    """

    def __init__(self, rule: Rule, find: Callable[[Input], Sequence[Observed]] | None = None) -> None:
        self._inputs = {one.name: one for one in rule.inputs}
        self._find = find

    def __getitem__(self, name: str) -> Items:
        if self._find is None:
            raise UnreadError
        return tuple([one.node for one in self._find(self._inputs[name])])

    def __contains__(self, name: object) -> bool:
        return name in self._inputs

    def __iter__(self) -> Iterator[str]:
        return iter(self._inputs)

    def __len__(self) -> int:
        return len(self._inputs)


def raises(rule: Rule, focus: Node, at: datetime, find: Callable[[Input], Sequence[Observed]] | None) -> bool:
    """Whether a rule raises an alert. Raises what evaluation raises, and UnreadError where `find` is missing."""
    return _all(rule.when, focus, _environment(rule, at, find))


def clears(rule: Rule, focus: Node, at: datetime, find: Callable[[Input], Sequence[Observed]] | None) -> bool:
    """Whether what a rule does not raise is over. Raises as `raises` does."""
    return not rule.until or _all(rule.until, focus, _environment(rule, at, find))


def _environment(rule: Rule, at: datetime, find: Callable[[Input], Sequence[Observed]] | None) -> Environment:
    if not rule.inputs:
        return PLAIN
    return Environment(constants=Windows(rule, find), clock=lambda: at, steps=STEPS)


def _all(conditions: Sequence[Condition], focus: Node, environment: Environment) -> bool:
    return all(condition.holds(focus, environment) for condition in conditions)


def window(one: Input, at: datetime, known: Mapping[str, Sequence[Observed]]) -> list[Observed]:
    """The Observations that an input names at a time, each once, oldest first; `known` are those by code."""
    begin = at - one.window
    if len(one.codes) == 1:
        ((_, code),) = one.codes
        return [seen for seen in known.get(code, ()) if begin < seen.at <= at and _has(seen, one.codes)]
    found: dict[str, Observed] = {}
    for _, code in one.codes:
        for seen in known.get(code, ()):
            if begin < seen.at <= at and _has(seen, one.codes):
                found[seen.id] = seen
    return sorted(found.values(), key=lambda seen: (seen.at, seen.id))


def _has(observed: Observed, codes: Sequence[Code]) -> bool:
    return any((system, code) in codes or (None, code) in codes for system, code in observed.codings)


def labels(evidence: Sequence[Observed]) -> list[dict[str, Any]]:
    """The security labels of what an alert rests on, each once: who may not see that, may not see the alert."""
    found = {
        (one.get("system"), one.get("code")): one
        for observed in evidence
        for one in observed.resource.get("meta", {}).get("security", ())
    }
    return list(found.values())
