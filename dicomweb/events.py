"""What the study store tells the rest of the server, through the outbox."""

from __future__ import annotations

from collections.abc import Iterable

from healix_fhir.kernel.outbox import Event

TOPIC = "study"
PERFORMED_TOPIC = "performed-step"

ANNOUNCE = f"""INSERT INTO outbox (topic, payload)
SELECT '{TOPIC}', convert_to(json_build_object('study', study_uid)::text, 'UTF8') FROM {{source}}"""
"""`study_changed` for the `study_uid` of each row of a relation, for statements that embed it.

The job worker is not notified: it looks by itself (healix_fhir/server/worker.py), and transactions that notify commit
one after the other, each holding a lock while it waits for the disk.
"""


def study_changed(studies: Iterable[str]) -> list[Event]:
    """One event for each study whose rows changed: consumers read the study's present state."""
    return [Event(TOPIC, {"study": StudyInstanceUID}) for StudyInstanceUID in sorted(set(studies))]


def step_performed(uids: Iterable[str]) -> list[Event]:
    """One event for each performed procedure step that was created or changed: consumers read its present state."""
    return [Event(PERFORMED_TOPIC, {"uid": uid}) for uid in sorted(set(uids))]
