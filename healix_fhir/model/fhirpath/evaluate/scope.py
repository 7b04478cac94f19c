"""What an expression is evaluated in: the environment of the caller, the one evaluation, and the focus of each part.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#environment-variables; FHIR R4, hl7.org/fhir/R4/fhirpath.html#variables
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeAlias

from healix_fhir.kernel import clock
from healix_fhir.kernel.errors import HealixError, invalid, too_large
from healix_fhir.model.fhirpath.evaluate.node import EMPTY, Items, Node, holder, outermost

STEPS = 1_000_000
"""The steps that one evaluation may take: less than a second."""

TEXT_LIMIT = 1024 * 1024
"""The characters that a string may grow to."""

CHARACTERS = 64
"""So many characters of a string cost a step, to read as to make: many long strings are as dear as many items."""

CONSTANTS: Mapping[str, str] = MappingProxyType(
    {
        "sct": "http://snomed.info/sct",
        "loinc": "http://loinc.org",
        "ucum": "http://unitsofmeasure.org",
    }
)
PREFIXES: Mapping[str, str] = MappingProxyType(
    {
        "vs-": "http://hl7.org/fhir/ValueSet/",
        "ext-": "http://hl7.org/fhir/StructureDefinition/",
    }
)


@dataclass(frozen=True, slots=True)
class Environment:
    """What the caller knows and the expression may ask; a hook that is None, or answers None, does not know.

    `resolve` finds what a reference outside the resource points to. `member_of` tells whether a coded node is in a
    value set, `conforms_to` whether a node conforms to a profile, `in_slice` whether a node is in the named slice of a
    profile. `trace` takes what `trace()` logs. `constants` are further `%name`s. `several_as` lets `as` filter several
    items, as expressions of FHIR R4 have it, where FHIRPath demands one. `steps` is the budget of an evaluation.
    """

    resolve: Callable[[str], Mapping[str, Any] | None] | None = None
    member_of: Callable[[Node, str], bool | None] | None = None
    conforms_to: Callable[[Node, str], bool | None] | None = None
    in_slice: Callable[[Node, str, str], bool | None] | None = None
    trace: Callable[[str, Items], None] | None = None
    constants: Mapping[str, Items] = field(default_factory=dict)
    clock: Callable[[], datetime] = clock.now
    several_as: bool = False
    steps: int = STEPS


class Evaluation:
    """One evaluation of an expression: its context, its one moment in time, and what is left of its budget."""

    __slots__ = ("_now", "context", "environment", "left")

    def __init__(self, context: Node, environment: Environment) -> None:
        self.context = context
        self.environment = environment
        self.left = environment.steps
        self._now: datetime | None = None

    @property
    def now(self) -> datetime:
        """The same instant each time, as `now()` must be."""
        if self._now is None:
            self._now = self.environment.clock()
        return self._now

    def spend(self, steps: int) -> None:
        """Take `steps` from the budget. Raises TooLarge when it is used up."""
        self.left -= steps
        if self.left < 0:
            raise too_large("the FHIRPath evaluation takes too many steps")

    def spend_on(self, *texts: object) -> None:
        """Take the price of reading or making those of `texts` that are strings."""
        self.spend(sum(len(text) for text in texts if type(text) is str) // CHARACTERS)

    def variable(self, name: str) -> Items:
        """The value of `%name`. Raises Invalid for an unknown one."""
        if name in self.environment.constants:
            return self.environment.constants[name]
        if name == "context":
            return (self.context,)
        if name in ("resource", "rootResource"):
            return self._resource(container=name == "rootResource")
        text = CONSTANTS.get(name)
        for prefix, url in PREFIXES.items():
            if name.startswith(prefix):
                text = url + name.removeprefix(prefix)
        if text is None:
            raise invalid(f"FHIRPath: there is no variable %{name[:64]}")
        return (Node(text, "System.String"),)

    def _resource(self, *, container: bool) -> Items:
        found = holder(self.context)
        if found is None:
            return (outermost(self.context),)
        if container and found.name == "contained" and found.parent is not None:
            return (found.parent,)
        return (found,)


class Scope:
    """The focus of one part of an expression: `$this`, `$index` and `$total`."""

    __slots__ = ("evaluation", "index", "this", "total")

    def __init__(self, evaluation: Evaluation, this: Items, index: int | None = None, total: Items = EMPTY) -> None:
        self.evaluation = evaluation
        self.this = this
        self.index = index
        self.total = total


Run: TypeAlias = Callable[[Scope], Items]
"""A compiled part of an expression."""


def truth(items: Items) -> bool | None:
    """The boolean of a collection: its one boolean, true for one item of another type, None when empty.

    A boolean element that has no value, only extensions, is as good as none. Raises Invalid for several items.

    Spec: FHIRPath N1, hl7.org/fhirpath/N1/#singleton-evaluation-of-collections
    """
    if not items:
        return None
    if len(items) > 1:
        raise several("a boolean", items)
    node = items[0]
    value = node.value
    if value is True or value is False:
        return value
    return None if node.type == "boolean" else True


def single(items: Items, what: str) -> Node | None:
    """The one item, None when empty. Raises Invalid for several."""
    if not items:
        return None
    if len(items) > 1:
        raise several(what, items)
    return items[0]


def several(what: str, items: Items) -> HealixError:
    """The refusal of a collection where one item is expected."""
    return invalid(f"FHIRPath: {what} is one item, not {len(items)}")
