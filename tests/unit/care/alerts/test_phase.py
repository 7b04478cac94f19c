"""How an alert lives: one while it lasts, none from late news, another only after it was over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from healix_fhir.care.alerts.phase import REMIND, Phase, State, Verdict, follow, reopened, resolved
from tests.support.alerts import NOON

MINUTE = timedelta(minutes=1)
BEFORE = NOON - timedelta(hours=1)


def raises(minutes: int = 0) -> Verdict:
    """A reading beyond the limit."""
    return Verdict(NOON + minutes * MINUTE, raises=True, clears=False)


def clears(minutes: int = 0) -> Verdict:
    """A reading that is well again."""
    return Verdict(NOON + minutes * MINUTE, raises=False, clears=True)


def between(minutes: int = 0) -> Verdict:
    """A reading between the two limits."""
    return Verdict(NOON + minutes * MINUTE, raises=False, clears=False)


@pytest.mark.parametrize(
    ("phase", "verdict", "expected", "raised"),
    [
        (Phase.ARMED, raises(), Phase.OPEN, True),
        (Phase.ARMED, clears(), Phase.ARMED, False),
        (Phase.ARMED, between(), Phase.ARMED, False),
        (Phase.ARMED, raises(-90), Phase.OPEN, True),  # what comes late is news all the same
        (Phase.OPEN, raises(), Phase.OPEN, False),
        (Phase.OPEN, between(), Phase.OPEN, False),
        (Phase.OPEN, clears(), Phase.CALM, False),
        (Phase.OPEN, clears(-90), Phase.OPEN, False),  # a later reading has said otherwise
        (Phase.CALM, raises(), Phase.OPEN, False),
        (Phase.CALM, raises(-90), Phase.CALM, False),
        (Phase.CALM, clears(), Phase.CALM, False),
        (Phase.HELD, raises(), Phase.HELD, False),
        (Phase.HELD, between(), Phase.HELD, False),
        (Phase.HELD, clears(), Phase.ARMED, False),
        (Phase.HELD, clears(-90), Phase.HELD, False),
    ],
)
def test_a_reading_moves_an_alert(phase: Phase, verdict: Verdict, expected: Phase, raised: bool) -> None:
    """One alert while it lasts; the margin between both limits changes nothing; late readings end nothing."""
    state, news = follow(State(phase, BEFORE, NOON if phase is Phase.HELD else None), verdict, NOON)
    assert (state.phase, news) == (expected, raised)
    assert state.at == max(BEFORE, verdict.at)


def test_what_goes_on_is_told_again_a_day_after_it_was_resolved() -> None:
    """Who resolves an alert that goes on is left in peace for a day, and no longer."""
    held = State(Phase.HELD, BEFORE, NOON)
    assert follow(held, raises(), NOON + REMIND - MINUTE)[1] is False
    assert follow(held, raises(), NOON + REMIND)[1] is True


def test_people_resolve_and_open_anew() -> None:
    """What has cleared can be raised at once after it is resolved, what goes on not; opened anew it is as before."""
    assert {phase: resolved(phase) for phase in (Phase.OPEN, Phase.CALM)} == {
        Phase.OPEN: Phase.HELD, Phase.CALM: Phase.ARMED,
    }  # fmt: skip
    assert reopened(Phase.HELD) is Phase.OPEN
    assert reopened(Phase.ARMED) is Phase.CALM
