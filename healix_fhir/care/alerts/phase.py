"""How an alert lives: raised once while it lasts, and again only after it was over. Pure rules.

* ARMED, or no row: a verdict that raises makes an alert (OPEN).
* OPEN: further readings that would raise make none. CALM: it has cleared since, the alert is still open.
* When people resolve a CALM alert the rule is ARMED: the next reading raises again. An OPEN one becomes HELD: no alert
  while the same condition goes on, unless it still does `REMIND` after it was resolved.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

REMIND = timedelta(hours=24)
"""So long after an alert was resolved, what still goes on raises the next."""


class Phase(StrEnum):
    """How a rule stands with a patient."""

    ARMED = "armed"
    OPEN = "open"
    CALM = "calm"
    HELD = "held"


class State(msgspec.Struct, frozen=True):
    """A row of alert_state; `at` is the time of the reading that was judged last."""

    phase: Phase
    at: datetime
    resolved: datetime | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What a rule says at a time: that it `raises`, that it `clears`, or neither (between the two limits)."""

    at: datetime
    raises: bool
    clears: bool


CLEARED = {Phase.OPEN: Phase.CALM, Phase.HELD: Phase.ARMED}
"""What a phase becomes when what raised the alert is over."""


def follow(state: State, verdict: Verdict, moment: datetime) -> tuple[State, bool]:
    """The state after a verdict, and whether an alert is to be raised now, at `moment`.

    A reading that comes late clears nothing: what is newer has said otherwise.
    """
    late = verdict.at < state.at
    at = max(state.at, verdict.at)
    if verdict.raises:
        again = state.phase is Phase.HELD and state.resolved is not None and moment >= state.resolved + REMIND
        if state.phase is Phase.ARMED or again:
            return State(Phase.OPEN, at), True
        phase = Phase.OPEN if state.phase is Phase.CALM and not late else state.phase
        return State(phase, at, state.resolved), False
    if verdict.clears and not late:
        return State(CLEARED.get(state.phase, state.phase), at, state.resolved), False
    return State(state.phase, at, state.resolved), False


def resolved(phase: Phase) -> Phase:
    """The phase once people have resolved the alert."""
    return Phase.ARMED if phase in (Phase.CALM, Phase.ARMED) else Phase.HELD


def reopened(phase: Phase) -> Phase:
    """The phase once people have opened a resolved alert anew."""
    return Phase.OPEN if phase in (Phase.HELD, Phase.OPEN) else Phase.CALM
