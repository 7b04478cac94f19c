"""What a check is: a clause, a requirement, and a function that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Given = TypeVar("Given")
"""What a check is run on: a `Target`, or a `Scene` of the checks of SMART."""


class Failed(Exception):  # noqa: N818 - the outcome of a check, not an error of the checker
    """The server does not meet the requirement; the message says how."""


@dataclass(frozen=True)
class Check(Generic[Given]):
    """One requirement of a standard. `clause` names it, `run` raises `Failed`."""

    clause: str
    requirement: str
    run: Callable[[Given], None]


def expect(condition: object, message: str) -> None:
    """Raise `Failed` with `message` unless `condition` holds."""
    if not condition:
        raise Failed(message)
