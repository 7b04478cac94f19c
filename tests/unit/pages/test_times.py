"""Free times by pages that a keyboard goes through."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from healix_fhir.pages.appointment.choosing import SHOWN, paged
from healix_fhir.pages.appointment.lines import Choice

FIRST, END = date(2026, 1, 5), date(2026, 1, 19)


@pytest.mark.parametrize(
    ("counts", "shown", "later"),
    [
        ([], [], END),
        ([12, 12], [12, 12], END),
        ([12, 12, 12, 12, 12], [12, 12, 12, 12], FIRST + timedelta(days=4)),
        ([100, 1], [SHOWN], FIRST + timedelta(days=1)),
        ([1, 48], [1], FIRST + timedelta(days=1)),
    ],
)
def test_days_are_shown_whole(counts: list[int], shown: list[int], later: date) -> None:
    """As many days as fit, and the next page goes on with the first that did not."""
    days = [(FIRST + timedelta(days=n), "", [Choice("s", "09:00", "")] * count) for n, count in enumerate(counts)]
    made, after = paged(days, END)
    assert ([len(choices) for _, _, choices in made], after) == (shown, later)
