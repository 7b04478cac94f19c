"""How a scheduled step stands: by its order, and by what is performed of it.

Spec: PS3.3 C.4.10, Scheduled Procedure Step Status (0040,0020), whose defined terms are the first four (2024d)
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """By the order. Only the first three are on the worklist."""

    SCHEDULED = "SCHEDULED"
    ARRIVED = "ARRIVED"
    READY = "READY"
    WAITING = "WAITING"  # a draft, or put on hold
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


class Performed(StrEnum):
    """By the performed steps of it; the first two leave it on the worklist."""

    NOTHING = ""
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


LISTED = frozenset({State.SCHEDULED, State.ARRIVED, State.READY})


def shown(state: State, performed: Performed) -> str:
    """The Scheduled Procedure Step Status that a worklist item has."""
    return (performed or state).value


def resumed(before: State, now: State, performed: Performed) -> Performed:
    """What counts as performed once its order is in another state: who takes an order up again after it was put on
    hold or completed, wants it to be performed anew.
    """
    taken_up = before not in LISTED and now in LISTED
    return Performed.NOTHING if taken_up and performed is not Performed.STARTED else performed
