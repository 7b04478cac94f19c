"""What the validation rules report: problems with locations relative to the element that found them.

A rule gets a value, the object that holds it and the `Walk`, and returns None (the common case, which costs nothing) or
problems. Locations begin with the name of the element, as in `.name[0].given`, and are completed on the way up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

LIMIT = 1000  # issues that one answer lists; a hostile body could have millions


class Problem(NamedTuple):
    """One finding: where, seen from the current object, its issue code, its message and how grave it is."""

    location: str
    code: str
    message: str
    severity: str = "error"


Problems: TypeAlias = list[Problem] | None


@dataclass(slots=True)
class Walk:
    """What rules need to know of the resource as a whole.

    `contained` maps the ids of its contained resources to their types. `bundle` is true for entries of a Bundle, where
    references may be conditional; `inside` for a contained resource.
    """

    contained: dict[str, str] = field(default_factory=dict)
    bundle: bool = False
    inside: bool = False


Rule: TypeAlias = Callable[[Any, dict[str, Any], Walk], Problems]


def one(location: str, code: str, message: str, severity: str = "error") -> list[Problem]:
    """A list of one problem."""
    return [Problem(location, code, message, severity)]


def below(prefix: str, problems: list[Problem]) -> list[Problem]:
    """The same problems, seen from the object around."""
    return [Problem(prefix + found.location, found.code, found.message, found.severity) for found in problems]
