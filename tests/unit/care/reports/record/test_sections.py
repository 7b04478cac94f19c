"""What belongs to the period of a report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from healix_fhir.bulk import reported
from healix_fhir.care.reports.record.sections import SECTIONS, Period, belongs, conditions_of

PERIOD = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


def test_sections() -> None:
    """The sections that can be asked for are those that there are, in the same order."""
    assert tuple(SECTIONS) == reported.SECTIONS


def test_conditions() -> None:
    """Measurements are those of the period; problems are found whenever they were."""
    dated = conditions_of(SECTIONS["vitals"][0], "ada", PERIOD)
    assert dated[0] == ("patient", "Patient/ada")
    assert dated[-2:] == [("date", "ge2026-01-01T00:00:00.000Z"), ("date", "lt2026-04-01T00:00:00.000Z")]
    assert all(name != "date" for name, _ in conditions_of(SECTIONS["problems"][0], "ada", PERIOD))


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({}, True),
        ({"onsetDateTime": "2019"}, True),
        ({"onsetDateTime": "2019", "abatementDateTime": "2025-12-31"}, False),
        ({"onsetDateTime": "2019", "abatementDateTime": "2026"}, True),
        ({"onsetDateTime": "2019", "abatementDateTime": "2026-01-01"}, True),
        ({"onsetDateTime": "2026-05-01"}, False),
        ({"status": "active", "authoredOn": "2020-01-01"}, True),
        ({"status": "stopped", "authoredOn": "2020-01-01"}, False),
        ({"status": "completed", "authoredOn": "2026-02-01"}, True),
        ({"effectivePeriod": {"start": "2020-01-01", "end": "2025-01-01"}}, False),
        ({"effectivePeriod": {"start": "2020-01-01"}}, True),
        ({"lifecycleStatus": "completed", "startDate": "2020-01-01", "statusDate": "2020-06-01"}, False),
        ({"lifecycleStatus": "active", "startDate": "2020-01-01", "statusDate": "2020-06-01"}, True),
    ],
)
def test_belongs(resource: dict[str, Any], expected: bool) -> None:
    """What was over before the period, or began after it, is not in it; what says nothing of its times is."""
    assert belongs(resource, PERIOD) is expected
