"""The statuses of an Appointment, restated as a table: rows are before, columns after."""

from __future__ import annotations

import pytest

from healix_fhir.model.appointment import held_until, may_follow

STATUSES = (
    "proposed", "waitlist", "pending", "booked", "arrived", "checked-in", "noshow", "fulfilled", "cancelled",
    "entered-in-error",
)  # fmt: skip
TABLE = """
proposed          x x x x - - - - x x
waitlist          x x x x - - - - x x
pending           x x x x x - - x x x
booked            - - x x x x x x x x
arrived           - - - x x x x x x x
checked-in        - - - - x x x x x x
noshow            - - - - x x x x - x
fulfilled         - - - - - - - x - x
cancelled         - - - - - - - - x x
entered-in-error  - - - - - - - - - x
"""


@pytest.mark.spec("FHIR R4 appointment.html#statuses")
def test_what_may_follow() -> None:
    """Each status is followed by those of its row."""
    rows = [line.split() for line in TABLE.strip().splitlines()]
    assert [row[0] for row in rows] == list(STATUSES)
    for before, *marks in rows:
        for after, mark in zip(STATUSES, marks, strict=True):
            assert may_follow(before, after) is (mark == "x"), (before, after)


def test_a_hold_is_of_pending_appointments() -> None:
    """An end of a hold that was left behind means nothing."""
    extension = [{"url": "urn:healix:appointment:held-until", "valueInstant": "2026-01-01T00:00:00Z"}]
    assert held_until({"status": "pending", "extension": extension}) is not None
    assert held_until({"status": "booked", "extension": extension}) is None
    assert held_until({"status": "pending"}) is None
