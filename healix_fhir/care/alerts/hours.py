"""Quiet hours: when people are told of alerts that can wait.

An alert itself is raised at once, whatever the hour; who is told of it by message and mail, when. Spec: FHIR R4,
hl7.org/fhir/R4/datatypes.html#Timing (Timing.repeat.timeOfDay, duration)
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo

import msgspec


class Hours(msgspec.Struct, frozen=True):
    """The part of each day in which people are told: from `begin` for so `long`, on the clock of a zone."""

    begin: time
    long: timedelta

    def told(self, moment: datetime, zone: tzinfo) -> datetime:
        """The first instant from `moment` on that lies in these hours.

        The hours are those of the clock on the wall: where it is set forward or back, so are they.
        """
        local = moment.astimezone(zone)
        for days in (-1, 0, 1, 2):
            opens = datetime.combine(local.date() + timedelta(days=days), self.begin, zone)
            closes = (opens.replace(tzinfo=None) + self.long).replace(tzinfo=zone)
            if moment < closes.astimezone(UTC):
                return max(moment, opens.astimezone(UTC))
        return moment


def quiet(setting: str) -> Hours | None:
    """The hours outside of those that the setting names as quiet, as `22:00-07:00`; None for an empty one."""
    if not setting:
        return None
    begins, ends = (datetime.combine(date.min, time.fromisoformat(one)) for one in setting.split("-"))
    return Hours(ends.time(), (begins - ends) % timedelta(days=1))
