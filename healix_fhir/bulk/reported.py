"""What a report of a patient's record was asked for with, as its job keeps it."""

from __future__ import annotations

from datetime import datetime

import msgspec

SECTIONS = ("problems", "medication", "allergies", "vitals", "goals", "appointments", "reports")
"""What a report may hold, in its order."""


class Report(msgspec.Struct, frozen=True):
    """A report of `patient` (a logical id) from `start` up to `end`, in a language, with times of `zone`.

    `types` are those without which a token has nothing of it.
    """

    patient: str
    start: datetime
    end: datetime
    language: str
    zone: str
    sections: tuple[str, ...] = SECTIONS
    types: tuple[str, ...] = ("Patient", "DocumentReference")
