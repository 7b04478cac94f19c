"""What the rules of profiles get besides the value: the library, and where references lead within the whole.

Spec: FHIR R4, hl7.org/fhir/R4/references.html, hl7.org/fhir/R4/bundle.html#references
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.fhirpath.evaluate.node import Node
from healix_fhir.model.fhirpath.evaluate.resolve import resolve
from healix_fhir.model.fhirpath.evaluate.scope import Environment, Evaluation
from healix_fhir.model.literals import CONDITIONAL, REST
from healix_fhir.model.problems import Problem
from healix_fhir.model.profile.library import Library, Question

TOO_COSTLY = "too-costly"
CORE = "http://hl7.org/fhir/StructureDefinition/"


@dataclass(frozen=True, slots=True)
class Inspection:
    """One judgement. `entries` are the resources of the Bundle by fullUrl and by Type/id, `around` those that are
    written together with the one that is judged, by Type/id.

    `environment` is what FHIRPath asks; `depth` is how many profiles led from one to the next; `until` is when it ends.
    `questions` are those that terminology has to answer before the judgement can be made.
    """

    library: Library
    environment: Environment = field(default_factory=Environment)
    entries: Mapping[str, Node] = field(default_factory=dict)
    depth: int = 0
    until: float = math.inf
    around: Mapping[str, Node] = field(default_factory=dict)
    questions: set[Question] = field(default_factory=set)

    def check_time(self) -> None:
        """Raise TooLarge when the judgement has taken longer than it may: definitions come from callers as well."""
        if time.monotonic() > self.until:
            message = "the judgement by these definitions takes too long"
            raise HealixError(Category.TOO_LARGE, message, code=TOO_COSTLY)

    def resolve(self, node: Node) -> Node | None:
        """The resource within the whole that a Reference leads to; None for one elsewhere."""
        reference = node.value.get("reference") if type(node.value) is dict else None
        if type(reference) is not str:
            return None
        if reference.startswith("#"):
            return resolve(node, Evaluation(node, self.environment))
        address = reference.partition("/_history/")[0]
        return self.entries.get(address) or self.around.get(address)

    def target_type(self, node: Node) -> str | None:
        """The type of the resource that a Reference leads to, where it can be told."""
        found = self.resolve(node)
        if found is not None:
            return found.type
        value = node.value if type(node.value) is dict else {}
        reference, declared = value.get("reference"), value.get("type")
        match = (REST.fullmatch(reference) or CONDITIONAL.fullmatch(reference)) if type(reference) is str else None
        if match is not None and match["type"] in TYPE_ID:
            return match["type"]
        name = declared.removeprefix(CORE) if type(declared) is str else None
        return name if name in TYPE_ID else None

    def deeper(self) -> Inspection:
        """The inspection by a profile that another has led to."""
        return replace(self, depth=self.depth + 1)


Check: TypeAlias = Callable[[Node, Inspection], Sequence[Problem]]
"""A rule on one node; the locations of its problems are those in the whole resource."""

NONE: Sequence[Problem] = ()
DEPTH = 8
"""How many profiles may lead from one to the next; the next one is taken to be met."""


def problem(node: Node, code: str, message: str, severity: str = "error") -> list[Problem]:
    """A list of one problem, at `node`."""
    return [Problem(node.location, code, message, severity)]


def every(checks: Sequence[Check]) -> Check | None:
    """One check that reports what all of `checks` find; None for none."""
    if len(checks) < 2:
        return checks[0] if checks else None

    def check(node: Node, inspection: Inspection) -> Sequence[Problem]:
        found: list[Problem] = []
        for inner in checks:
            found += inner(node, inspection)
        return found

    return check


def has_error(problems: Sequence[Problem]) -> bool:
    """Whether some of `problems` is an error."""
    return any(found.severity == "error" for found in problems)
