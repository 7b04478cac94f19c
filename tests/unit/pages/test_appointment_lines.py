"""Appointments as lines of a list."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from healix_fhir.pages.appointment.lines import line

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "is_to_come"),
    [
        ("2026-11-30T10:30:00+02:00", "2026-11-30T11:00:00+02:00", False),
        ("2026-11-30T08:30:00-02:00", "2026-11-30T09:00:00-02:00", True),
        ("2026-11-30T09:00:00Z", "2026-11-30T09:30:00Z", True),
    ],
)
def test_what_is_to_come_is_so_in_each_zone(start: str, end: str, is_to_come: bool) -> None:
    """Whether an appointment is to come follows from the moment, not from how its start is written."""
    resource = {"resourceType": "Appointment", "id": "a", "status": "booked", "start": start, "end": end}
    assert line(resource, ZoneInfo("Europe/Vienna"), ()).is_to_come(NOW) is is_to_come
    assert not line(resource | {"status": "cancelled"}, ZoneInfo("Europe/Vienna"), ()).is_to_come(NOW)


def test_the_patient_of_another_server_is_none_of_ours() -> None:
    """A line tells the patient of this server, not one elsewhere who has the same id."""
    for base, patient in (("", "p"), ("https://here.test/fhir/", "p"), ("https://elsewhere.test/fhir/", "")):
        actor = {"reference": f"{base}Patient/p"}
        resource = {"resourceType": "Appointment", "id": "a", "status": "proposed", "participant": [{"actor": actor}]}
        assert line(resource, ZoneInfo("UTC"), ("https://here.test/fhir",)).patient == patient
