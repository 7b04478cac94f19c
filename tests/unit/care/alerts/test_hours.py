"""When people are told of alerts that can wait."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from healix_fhir.care.alerts.hours import Hours, quiet

VIENNA = ZoneInfo("Europe/Vienna")
DAY = Hours(time(7), timedelta(hours=15))
"""From seven to ten at night."""
NIGHT = Hours(time(20), timedelta(hours=10))


@pytest.mark.spec("FHIR R4 datatypes.html#Timing")
@pytest.mark.parametrize(
    ("hours", "moment", "told"),
    [
        (DAY, "2026-01-10T11:00", "2026-01-10T11:00"),  # noon
        (DAY, "2026-01-10T06:00", "2026-01-10T06:00"),  # as it begins
        (DAY, "2026-01-10T05:59", "2026-01-10T06:00"),  # early in the morning
        (DAY, "2026-01-10T20:59", "2026-01-10T20:59"),
        (DAY, "2026-01-10T21:00", "2026-01-11T06:00"),  # as it ends
        (DAY, "2026-01-10T23:30", "2026-01-11T06:00"),  # after midnight on the wall
        (DAY, "2026-03-28T23:30", "2026-03-29T05:00"),  # the clock is set forward in that night
        (DAY, "2026-10-24T23:30", "2026-10-25T06:00"),  # and back
        (NIGHT, "2026-01-10T23:30", "2026-01-10T23:30"),  # hours over midnight
        (NIGHT, "2026-01-10T04:59", "2026-01-10T04:59"),
        (NIGHT, "2026-01-10T05:00", "2026-01-10T19:00"),
    ],
)
def test_people_are_told_in_the_hours_of_the_clock_on_the_wall(hours: Hours, moment: str, told: str) -> None:
    """What comes in quiet hours waits until they are over in the clinic's time zone, also when clocks are changed."""
    at, expected = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (moment, told))
    assert hours.told(at, VIENNA) == expected


def test_quiet_hours_are_what_the_setting_leaves_out() -> None:
    """From ten to seven is quiet: people are told for fifteen hours from seven on."""
    assert quiet("22:00-07:00") == DAY
    assert quiet("06:00-20:00") == NIGHT
    assert quiet("") is None
