"""The life of a Goal, step by step."""

from __future__ import annotations

from itertools import product

import pytest

from healix_fhir.kernel.errors import Category
from healix_fhir.store.lifecycle.goal import rule
from healix_fhir.store.lifecycle.step import Actor, Step
from healix_fhir.store.lifecycle.table import LIFECYCLES

CODES = (
    "proposed", "planned", "accepted", "active", "on-hold", "completed", "cancelled", "rejected", "entered-in-error",
)  # fmt: skip
ALLOWED = """
proposed: planned accepted active on-hold cancelled rejected entered-in-error
planned: accepted active on-hold cancelled rejected entered-in-error
accepted: planned active on-hold completed cancelled rejected entered-in-error
active: on-hold completed cancelled entered-in-error
on-hold: active completed cancelled entered-in-error
completed: active entered-in-error
cancelled: active entered-in-error
rejected: proposed entered-in-error
entered-in-error:
"""
TABLE = {
    (was, becomes)
    for line in ALLOWED.strip().splitlines()
    for was, _, rest in [line.partition(":")]
    for becomes in rest.split()
}


@pytest.mark.parametrize("actor", Actor)
@pytest.mark.spec("FHIR R4 valueset-goal-status.html")
def test_each_step_is_allowed_or_refused_by_name(actor: Actor) -> None:
    """All pairs of codes, for everybody alike; the refusal names the element and what may be instead."""
    for was, becomes in product(CODES, CODES):
        refusal = rule(Step("Goal", actor, {"lifecycleStatus": was}, {"lifecycleStatus": becomes}))
        assert (refusal is None) == (was == becomes or (was, becomes) in TABLE), (was, becomes)
        if refusal is not None:
            assert refusal.category is Category.UNPROCESSABLE
            assert refusal.issues[0].expression == ("Goal.lifecycleStatus",)


def test_goals_begin_and_go_as_they_are() -> None:
    """A first version may have any status, and any may be deleted."""
    for code in CODES:
        assert LIFECYCLES["Goal"](Step("Goal", Actor.PATIENT, None, {"lifecycleStatus": code})) is None
        assert rule(Step("Goal", Actor.PATIENT, {"lifecycleStatus": code}, None)) is None
