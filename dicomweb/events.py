"""What the study store tells the rest of the server, through the outbox."""

from __future__ import annotations

from collections.abc import Iterable

from healix_fhir.kernel.outbox import Event

TOPIC = "study"


def study_changed(studies: Iterable[str]) -> list[Event]:
    """One event for each study whose rows changed: consumers read the study's present state."""
    return [Event(TOPIC, {"study": StudyInstanceUID}) for StudyInstanceUID in sorted(set(studies))]
