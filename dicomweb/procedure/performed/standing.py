"""What the performed steps of one scheduled step make of it; pure.

Spec: PS3.4 F.1.5 (2024d); IHE RAD TF-2 4.7 for steps that were begun by mistake
"""

from __future__ import annotations

from collections.abc import Iterable

from dicomweb.procedure.performed.requirements import State
from dicomweb.procedure.scheduled.states import Performed

MISTAKEN = "110514"
"""Incorrect worklist entry selected: nothing was done of the scheduled step. Spec: PS3.16 CID 9301 (2024d)"""


def standing(performed: Iterable[tuple[State, str | None]]) -> Performed:
    """By the state of each performed step, and the code of why it was discontinued."""
    states = {state for state, reason in performed if not (state is State.DISCONTINUED and reason == MISTAKEN)}
    if State.IN_PROGRESS in states:
        return Performed.STARTED
    if State.COMPLETED in states:
        return Performed.COMPLETED
    return Performed.DISCONTINUED if states else Performed.NOTHING
