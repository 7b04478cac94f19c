"""A finding, and how bad it is."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class State(StrEnum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True):
    """What was looked at, how it is, and what there is to say of it: for the operator, in one line."""

    about: str
    state: State
    says: str


def ok(about: str, says: str) -> Finding:
    """Nothing to do."""
    return Finding(about, State.OK, says)


def warning(about: str, says: str) -> Finding:
    """Look at this when there is time."""
    return Finding(about, State.WARNING, says)


def problem(about: str, says: str) -> Finding:
    """Do something about this now."""
    return Finding(about, State.PROBLEM, says)
