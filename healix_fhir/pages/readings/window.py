"""The time that a page of readings shows: a day, a week or a month of the patient's time zone, and those beside it."""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo
from enum import Enum

import msgspec

from healix_fhir.kernel.errors import invalid
from healix_fhir.operation.measurement.daily import begins


class Span(Enum):
    """How many days are shown."""

    DAY = 1
    WEEK = 7
    MONTH = 30


class Window(msgspec.Struct, frozen=True):
    """The days up to `last`; none is later than `today`."""

    span: Span
    last: date
    today: date
    zone: tzinfo

    @property
    def first(self) -> date:
        """Its first day."""
        return self.last - timedelta(days=self.span.value - 1)

    @property
    def begin(self) -> datetime:
        """Its first instant."""
        return begins(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The first instant after it."""
        return begins(self.last + timedelta(days=1), self.zone)

    @property
    def earlier(self) -> date:
        """The last day of the window before."""
        return self.first - timedelta(days=1)

    @property
    def later(self) -> date | None:
        """The last day of the window after; None where it has not come yet."""
        return min(self.last + timedelta(days=self.span.value), self.today) if self.last < self.today else None


def window(span: str, end: str, today: date, zone: tzinfo) -> Window:
    """The window that an address names: a week up to today where it names none. Raises Invalid."""
    try:
        chosen = Span[span.upper() or "WEEK"]
        last = min(date.fromisoformat(end), today) if end else today
    except (KeyError, ValueError) as error:
        raise invalid("There is a day, a week and a month of readings, up to a day such as 2026-01-31.") from error
    if last.year < 1900:
        raise invalid("There are no readings of that time.")
    return Window(chosen, last, today, zone)
