"""The search parameters that clients have defined, how far the index is whole, and which implementation guides are
installed: what this process knows of them.

A process holds one value and exchanges it as a whole (see server/parameter_watch). What is made from the parameters is
remembered by `derived` until then. Whoever works with the old value meanwhile fills the old memory, which nobody looks
at any more.

Spec: FHIR R4, hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import ParamSpec, TypeVar

from healix_fhir.model.search_parameter import SearchParameter

P = ParamSpec("P")
T = TypeVar("T")

FIRST = 1_000_000
"""The lowest id of a custom parameter."""
PER_TYPE = 100
"""Custom parameters that one resource type may have."""

ByCode = Mapping[str, SearchParameter]


def custom_id(type_id: int, slot: int) -> int:
    """The id of the custom parameter in a slot of a type."""
    return FIRST + type_id * PER_TYPE + slot


def type_of(id_: int) -> int:
    """The number of the type that a custom parameter is of."""
    return (id_ - FIRST) // PER_TYPE


def is_custom(id_: int) -> bool:
    """Whether an id is that of a custom parameter."""
    return id_ >= FIRST


@dataclass(frozen=True, slots=True)
class Guides:
    """The canonicals of the installed guides, and those of their profiles by resource type."""

    named: tuple[str, ...] = ()
    profiles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


NO_GUIDES = Guides()


@dataclass(frozen=True, slots=True, eq=False)
class Custom:
    """The parameters by resource type and code: those that can be searched by, and those not yet in all index rows.

    `generation` counts the changes, the last of which was at `changed`. `indexed` is the version of the index in which
    every resource is (None: not looked at).
    """

    generation: int = 0
    changed: datetime | None = None
    indexed: int | None = None
    searchable: Mapping[str, ByCode] = field(default_factory=dict)
    pending: Mapping[str, ByCode] = field(default_factory=dict)
    guides: Guides = NO_GUIDES


NONE = Custom()
_current = NONE
_memory: dict[tuple[object, ...], object] = {}
_ABSENT = object()
MOST = 20_000
"""Derived values that are remembered: all of R4's, and many of what callers ask by (scopes, criteria)."""


def current() -> Custom:
    """What this process knows."""
    return _current


def install(custom: Custom) -> None:
    """Know `custom` from now on, and forget what was derived from what was known before."""
    global _current, _memory
    _current = custom
    _memory = {}  # after the value: what is derived into the new memory comes from the new value


def derived(function: Callable[P, T]) -> Callable[P, T]:
    """Like functools.cache, for what depends on the custom parameters; arguments by position only.

    Some come from callers, so nothing is remembered for ever.
    """

    @wraps(function)
    def remembered(*args: P.args, **kwargs: P.kwargs) -> T:
        memory, key = _memory, (function, *args)
        found = memory.get(key, _ABSENT)
        if found is _ABSENT:
            found = function(*args, **kwargs)
            if len(memory) >= MOST:
                memory.clear()
            memory[key] = found
        return found  # type: ignore[return-value]

    return remembered
