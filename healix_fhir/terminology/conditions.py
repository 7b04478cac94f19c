"""A value set as it looks from one code system: a condition on that system's concepts.

What a value set takes from other systems says nothing here and falls away. Its parts that are of another version of the
same system are asked of the concept with the same code there.

Spec: FHIR R4, hl7.org/fhir/R4/valueset.html#compositions
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.model.profile.code_system import GRAMMARS
from healix_fhir.terminology.catalog import System
from healix_fhir.terminology.sets import (
    Active,
    Both,
    Codes,
    Either,
    Filter,
    Listed,
    Named,
    Selected,
    Set,
    Supplemented,
    Without,
    giving,
)


@dataclass(frozen=True, slots=True)
class Always:
    """Holds of every concept, or of none."""

    holds: bool


@dataclass(frozen=True, slots=True)
class All:
    """Every one of `conditions` holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """One of `conditions` holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`condition` does not hold."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Among:
    """The code is listed."""

    codes: Codes


@dataclass(frozen=True, slots=True)
class Exists:
    """The code system has the code; lists may have others."""


@dataclass(frozen=True, slots=True)
class Passing:
    """The concept passes a filter."""

    filter: Filter


@dataclass(frozen=True, slots=True)
class InUse:
    """The concept is not inactive."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another version of the system has the code too, and `condition` holds of it there."""

    system: System
    condition: Condition


Condition: TypeAlias = Always | All | Any | Not | Among | Exists | Passing | InUse | Elsewhere

COMPLETE = "complete"
"""The content of code systems whose concepts are all there. Spec: FHIR R4, CodeSystem.content"""
EVERY, NONE = Always(True), Always(False)

Systems: TypeAlias = Mapping[str, System | None]
"""The code systems that are at hand, by canonical."""


@dataclass(frozen=True, slots=True)
class Group:
    """One code system in one version, of which a value set has members. `system` is None where it is not at hand."""

    url: str
    version: str | None
    system: System | None

    @property
    def shown_version(self) -> str | None:
        """The version as an expansion shows it."""
        return (self.system.version if self.system is not None else self.version) or None

    @property
    def folds(self) -> bool:
        """Whether codes that differ in case only are the same."""
        return self.system is not None and not self.system.case_sensitive


def canonical(leaf: Codes | Selected) -> str:
    """The code system that a leaf names."""
    return f"{leaf.system}|{leaf.version}" if leaf.version else leaf.system


def groups(found: Set, systems: Systems) -> list[Group]:
    """The code systems that a set may have members of, in the order in which they are named."""
    named = [_group(leaf, systems) for leaf in giving(found) if not isinstance(leaf, Named)]
    return list(dict.fromkeys(named))


def _group(leaf: Codes | Selected, systems: Systems) -> Group:
    system = systems.get(canonical(leaf))
    return Group(leaf.system, leaf.version if system is None else system.version, system)


def restricted(found: Set, group: Group, systems: Systems) -> Condition:
    """The condition on concepts of `group`. Raises Invalid for a part that needs a code system that is not at hand."""
    match found:
        case Both(several):
            return all_of([restricted(one, group, systems) for one in several])
        case Either(several):
            return any_of([restricted(one, group, systems) for one in several])
        case Without(inner, dropped):
            return all_of([restricted(inner, group, systems), negated(restricted(dropped, group, systems))])
        case Active(inner):
            return all_of([restricted(inner, group, systems), InUse()])
        case Supplemented(inner):
            return restricted(inner, group, systems)
        case Named(name):
            raise AssertionError(name)  # resolved before
        case Codes() | Selected():
            return _leaf(found, group, systems)


def _leaf(leaf: Codes | Selected, group: Group, systems: Systems) -> Condition:
    if leaf.system != group.url:
        return NONE
    own = _group(leaf, systems)
    if isinstance(leaf, Codes):
        condition: Condition = Among(leaf)
    elif own.system is None or own.system.content != COMPLETE:
        raise not_at_hand(canonical(leaf), own.system)
    else:
        condition = all_of([Exists(), *(Passing(one) for one in leaf.filters)])
    if own == group or own.system is None:
        return condition
    return Elsewhere(own.system, condition)


def not_at_hand(name: str, system: System | None = None) -> HealixError:
    """The refusal of what needs all concepts of a code system that is not here, or only in part."""
    if system is not None:
        return invalid(f"the code system {name[:200]} is not here as a whole: {system.content}", code="not-found")
    if name.partition("|")[0] in GRAMMARS:
        return invalid(f"the codes of {name[:200]} follow from a grammar: they cannot be listed", code="too-costly")
    return invalid(f"the code system {name[:200]} is not known", code="not-found")


def all_of(conditions: Sequence[Condition]) -> Condition:
    """The conjunction."""
    left = [one for one in dict.fromkeys(conditions) if one != EVERY]
    if NONE in left:
        return NONE
    return EVERY if not left else left[0] if len(left) == 1 else All(tuple(left))


def any_of(conditions: Sequence[Condition]) -> Condition:
    """The disjunction."""
    left = [one for one in dict.fromkeys(conditions) if one != NONE]
    if EVERY in left:
        return EVERY
    return NONE if not left else left[0] if len(left) == 1 else Any(tuple(left))


def negated(condition: Condition) -> Condition:
    """What is left over."""
    if isinstance(condition, Always):
        return Always(not condition.holds)
    return condition.condition if isinstance(condition, Not) else Not(condition)


def listing(condition: Condition) -> tuple[Codes, ...] | None:
    """The lists outside of which the condition holds of nothing; None where there are no such."""
    match condition:
        case Among(codes):
            return (codes,)
        case All(conditions):
            found = [one for one in map(listing, conditions) if one is not None]
            return min(found, key=lambda lists: sum(len(one.concepts) for one in lists), default=None)
        case Any(conditions):
            each = [listing(one) for one in conditions]
            return None if None in each else tuple(codes for one in each if one is not None for codes in one)
        case Always(False):
            return ()
        case _:
            return None


def is_list(condition: Condition) -> bool:
    """Whether the condition asks nothing of a concept but its code."""
    match condition:
        case Among():
            return True
        case All(conditions) | Any(conditions):
            return all(map(is_list, conditions))
        case Not(inner):
            return is_list(inner)
        case _:
            return False


def has_list(condition: Condition) -> bool:
    """Whether the condition may hold of a code of which there is no concept."""
    match condition:
        case All(conditions) | Any(conditions):
            return any(map(has_list, conditions))
        case Not():
            return True
        case _:
            return isinstance(condition, Among)


def lists(condition: Condition, code: str) -> bool:
    """Whether the condition holds of a code of a system that is not at hand, of which lists alone can tell."""
    match condition:
        case Always(holds):
            return holds
        case Among(codes):
            return any(one.code == code for one in codes.concepts)
        case All(conditions):
            return all(lists(one, code) for one in conditions)
        case Any(conditions):
            return any(lists(one, code) for one in conditions)
        case Not(inner):
            return not lists(inner, code)
        case InUse():
            return True
        case Exists() | Passing() | Elsewhere():
            return False


def listed(lists: Sequence[Codes], *, folds: bool) -> dict[str, Listed]:
    """The concepts of lists by key, each once, in order."""
    found: dict[str, Listed] = {}
    for codes in lists:
        for key, concept in zip(keys(codes, folds=folds), codes.concepts, strict=True):
            found.setdefault(key, concept)
    return found


@lru_cache(maxsize=256)
def keys(codes: Codes, *, folds: bool) -> tuple[str, ...]:
    """The codes of a list as their system compares them."""
    return tuple(one.code.lower() if folds else one.code for one in codes.concepts)


def among(found: Set, group: Group) -> Iterator[Codes]:
    """The lists of a set, of this system, that say what its members are called."""
    for leaf in giving(found):
        if isinstance(leaf, Codes) and leaf.system == group.url:
            yield leaf
