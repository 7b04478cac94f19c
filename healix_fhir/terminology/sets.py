"""Value sets as an algebra: what a value set is made of, without a word of SQL.

`compose` reads it from a ValueSet, `resolve` puts in the value sets that it names, `conditions` restricts it to one
code system, `members` and `membership` turn that into SQL.

Spec: FHIR R4, hl7.org/fhir/R4/valueset.html#compositions
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias


class Operator(StrEnum):
    """How a filter compares. Spec: FHIR R4, hl7.org/fhir/R4/valueset-filter-operator.html"""

    EQUAL = "="
    IS_A = "is-a"
    DESCENDENT_OF = "descendent-of"
    IS_NOT_A = "is-not-a"
    REGEX = "regex"
    IN = "in"
    NOT_IN = "not-in"
    GENERALIZES = "generalizes"
    EXISTS = "exists"


@dataclass(frozen=True, slots=True)
class Filter:
    """Concepts of which a property compares so."""

    property: str
    operator: Operator
    value: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A concept that a value set lists by its code, with the displays that it has there."""

    code: str
    display: str | None = None
    designations: tuple[Any, ...] = field(default=(), hash=False)


@dataclass(frozen=True, slots=True)
class Codes:
    """Listed concepts of a code system; None stands for no particular version."""

    system: str
    version: str | None
    concepts: tuple[Listed, ...] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Selected:
    """The concepts of a code system that all filters select; of no filters, all of them."""

    system: str
    version: str | None
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
    """Another value set, by its canonical; `resolve` puts what it consists of in its place."""

    canonical: str


@dataclass(frozen=True, slots=True)
class Both:
    """What is in every one of `sets`, of which there is at least one."""

    sets: tuple[Set, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """What is in one of `sets`; of none, nothing."""

    sets: tuple[Set, ...]


@dataclass(frozen=True, slots=True)
class Without:
    """What is in `kept` and not in `dropped`."""

    kept: Set
    dropped: Set


@dataclass(frozen=True, slots=True)
class Active:
    """What is in `set` and still in use in its code system."""

    set: Set


@dataclass(frozen=True, slots=True)
class Supplemented:
    """`set`, to be read with supplements of its code systems, by their canonicals."""

    set: Set
    canonicals: tuple[str, ...]


Set: TypeAlias = Codes | Selected | Named | Both | Either | Without | Active | Supplemented

EMPTY = Either(())


def leaves(found: Set) -> Iterator[Codes | Selected | Named]:
    """What a set is made of in the end, in the order in which it is written."""
    match found:
        case Both(several) | Either(several):
            for one in several:
                yield from leaves(one)
        case Without(kept, dropped):
            yield from leaves(kept)
            yield from leaves(dropped)
        case Active(inner) | Supplemented(inner):
            yield from leaves(inner)
        case Codes() | Selected() | Named():
            yield found


def giving(found: Set) -> Iterator[Codes | Selected | Named]:
    """The leaves without those that only take away."""
    match found:
        case Both(several) | Either(several):
            for one in several:
                yield from giving(one)
        case Without(inner, _) | Active(inner) | Supplemented(inner):
            yield from giving(inner)
        case Codes() | Selected() | Named():
            yield found


def supplements(found: Set) -> Iterator[str]:
    """The canonicals of the supplements that a set is to be read with."""
    match found:
        case Both(several) | Either(several):
            for one in several:
                yield from supplements(one)
        case Without(kept, dropped):
            yield from supplements(kept)
            yield from supplements(dropped)
        case Active(inner):
            yield from supplements(inner)
        case Supplemented(inner, canonicals):
            yield from canonicals
            yield from supplements(inner)


def mapped(found: Set, of_leaf: Callable[[Codes | Selected | Named], Set]) -> Set:
    """The set with other leaves."""
    match found:
        case Both(several):
            return Both(tuple(mapped(one, of_leaf) for one in several))
        case Either(several):
            return Either(tuple(mapped(one, of_leaf) for one in several))
        case Without(kept, dropped):
            return Without(mapped(kept, of_leaf), mapped(dropped, of_leaf))
        case Active(inner):
            return Active(mapped(inner, of_leaf))
        case Supplemented(inner, canonicals):
            return Supplemented(mapped(inner, of_leaf), canonicals)
        case Codes() | Selected() | Named():
            return of_leaf(found)


def either(found: list[Set]) -> Set:
    """The union."""
    return found[0] if len(found) == 1 else Either(tuple(found))


def both(found: list[Set]) -> Set:
    """The intersection of one or more."""
    return found[0] if len(found) == 1 else Both(tuple(found))
