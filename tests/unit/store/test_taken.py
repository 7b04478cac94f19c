"""What an Appointment takes, as ranges of numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from healix_fhir.store.taken import Place, local, ranges

WHO = st.sampled_from(["Practitioner/a", "Practitioner/b", "Location/room"])
WHEN = st.integers(-36_500, 73_000).map(lambda days: datetime(2000, 1, 1, 9, tzinfo=UTC) + timedelta(days=days))


def place(start: datetime, minutes: int, *calendars: str) -> Place:
    """A slot of calendars."""
    end = start + timedelta(minutes=minutes)
    return Place({"start": start.isoformat(), "end": end.isoformat()}, calendars)


@given(WHO, WHEN, st.integers(1, 600), WHO, st.integers(-700, 700), st.integers(1, 600))
def test_ranges_meet_where_times_of_one_calendar_do(
    who: str, start: datetime, length: int, other: str, later: int, long: int
) -> None:
    """Two slots meet if they are of one calendar and have a moment in common; the slots themselves never do."""
    first = ranges(["x"], {"x": place(start, length, who)})
    second = ranges(["y"], {"y": place(start + timedelta(minutes=later), long, other)})
    assert all(one.lo < one.hi for one in (*first, *second))
    meet = any(one.lo < two.hi and two.lo < one.hi for one in first for two in second)
    assert meet is (who == other and later < length and -later < long)


@given(WHEN)
def test_an_appointment_does_not_meet_itself(start: datetime) -> None:
    """Slots that overlap or touch are one time of one calendar; a slot that is not known takes itself."""
    there = {"x": place(start, 30, "Practitioner/a"), "y": place(start + timedelta(minutes=10), 50, "Practitioner/a")}
    found = ranges(["x", "y", "unknown"], there)
    assert len(found) == 4
    assert sorted(found) == sorted(found, key=lambda one: one.hi)
    assert all(one.hi <= two.lo for one, two in zip(sorted(found), sorted(found)[1:], strict=False))


def test_references() -> None:
    """A reference names a type and an id on this server, to whichever version; that of another server is not ours."""
    assert local({"reference": "Slot/a"}) == local({"reference": "Slot/a/_history/3"}) == ("Slot", "a")
    assert local({"reference": "https://x.test/fhir/Slot/a"}) is None
    assert local({"reference": "urn:uuid:1"}) is None
    assert local({"display": "x"}) is None
    assert local(None) is None
