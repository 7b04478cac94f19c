"""The states of a workitem, and what each request for another one does in each.

Spec: PS3.4 Tables CC.1.1-1 and CC.1.1-2 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

from dicomweb.workitem.status import Failure, RefusedError, Success
from healix_fhir.kernel.errors import invalid


class State(StrEnum):
    """Values of Procedure Step State (0074,1000)."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


FINAL = frozenset({State.COMPLETED, State.CANCELED})

Outcome: TypeAlias = State | Success | Failure
"""The state to go to, or how the request ends without a change."""

_S, _P, _C, _X = State.SCHEDULED, State.IN_PROGRESS, State.COMPLETED, State.CANCELED

CHANGE: Mapping[State, Mapping[State, Outcome]] = {
    State.IN_PROGRESS: {
        _S: State.IN_PROGRESS,
        _P: Failure.ALREADY_IN_PROGRESS,
        _C: Failure.NO_LONGER_UPDATED,
        _X: Failure.NO_LONGER_UPDATED,
    },
    State.SCHEDULED: dict.fromkeys(State, Failure.SCHEDULED_BY_CREATION),
    State.COMPLETED: {
        _S: Failure.NOT_IN_PROGRESS,
        _P: State.COMPLETED,
        _C: Success.ALREADY_COMPLETED,
        _X: Failure.NO_LONGER_UPDATED,
    },
    State.CANCELED: {
        _S: Failure.NOT_IN_PROGRESS,
        _P: State.CANCELED,
        _C: Failure.NO_LONGER_UPDATED,
        _X: Success.ALREADY_CANCELED,
    },
}
"""By the state that is asked for and the one that the item is in, where the Transaction UID is the right one.

Of a step that nobody has claimed each is; with a wrong one the outcome is WRONG_TRANSACTION.
"""

MESSAGES: Mapping[Failure, str] = {
    Failure.ALREADY_IN_PROGRESS: "the workitem is in progress already",
    Failure.NO_LONGER_UPDATED: "the workitem is in a final state and can no longer be changed",
    Failure.SCHEDULED_BY_CREATION: "a workitem becomes SCHEDULED by being created only",
    Failure.NOT_IN_PROGRESS: "the workitem is not in progress",
}
INCONSISTENT = "The submitted request is inconsistent with the state of the UPS Instance."
NO_TRANSACTION = "The Transaction UID is missing."
WRONG_TRANSACTION = "The Transaction UID is incorrect."


def state_of(text: object) -> State:
    """The state that a request names; the British spelling of PS3.18 11.7.1.4 (2019) is understood. Raises Invalid."""
    if text == "CANCELLED":
        return State.CANCELED
    if text not in set(State):
        raise invalid(f"ProcedureStepState must be one of {', '.join(State)}", code="value")
    return State(str(text))


def change(asked: State, present: State, given: str, recorded: str | None) -> State | Success:
    """What a request with the Transaction UID `given` does to an item in the state `present`, where `recorded` is the
    UID of who has claimed it. Raises RefusedError.
    """
    if not given and asked is not State.SCHEDULED:
        raise RefusedError(Failure.WRONG_TRANSACTION, "the request has no TransactionUID", NO_TRANSACTION)
    outcome = CHANGE[asked][present]
    if asked is not State.SCHEDULED and recorded is not None and given != recorded:
        raise RefusedError(Failure.WRONG_TRANSACTION, "TransactionUID is not that of the claim", WRONG_TRANSACTION)
    if isinstance(outcome, Failure):
        raise RefusedError(outcome, MESSAGES[outcome], INCONSISTENT)
    return outcome
