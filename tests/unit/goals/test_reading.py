"""What Observations say of a target."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from healix_fhir.operation.goal.reading import readings
from healix_fhir.operation.goal.target import plan
from tests.support.resources import LOINC, UCUM

CODE = {"coding": [{"system": LOINC, "code": "8867-4"}]}
BEATS = {"value": 80, "unit": "/min", "system": UCUM, "code": "/min"}
(TARGET,) = plan(
    {"subject": {"reference": "Patient/p"}, "target": [{"measure": CODE, "detailQuantity": BEATS}]}
).measured


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("when", [{"effectiveDateTime": "9999-12-31T23:00:00Z"}, {"effectiveDateTime": "0001-01-01"}])
def test_what_is_of_no_day_in_some_zone_does_not_count(when: dict[str, str], zone: str) -> None:
    """An Observation at the edge of the calendar keeps no Goal from being looked at."""
    observation = {"id": "o", "status": "final", "code": CODE, "valueQuantity": BEATS} | when
    assert readings(TARGET, [observation], ZoneInfo(zone)) == []
