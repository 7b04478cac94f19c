"""The life of the Flag of an alert."""

from __future__ import annotations

from typing import Any

from healix_fhir.store.lifecycle.flag import SYSTEM, rule
from healix_fhir.store.lifecycle.step import Actor, Step

OF_ALERT: dict[str, Any] = {"status": "active", "identifier": [{"system": SYSTEM, "value": "x"}]}
OTHER: dict[str, Any] = {"status": "active"}


def test_patients_leave_the_flags_of_alerts_alone() -> None:
    """They neither make, change nor delete one; those who treat and systems do; other Flags have no rules."""
    steps = [(None, OF_ALERT), (OF_ALERT, OF_ALERT | {"status": "inactive"}), (OF_ALERT, None), (OTHER, OF_ALERT)]
    for before, after in steps:
        assert rule(Step("Flag", Actor.PATIENT, before, after)) is not None
        assert rule(Step("Flag", Actor.PRACTITIONER, before, after)) is None
        assert rule(Step("Flag", Actor.SYSTEM, before, after)) is None
    assert rule(Step("Flag", Actor.PATIENT, None, OTHER)) is None
