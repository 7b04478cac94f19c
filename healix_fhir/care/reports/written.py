"""Dates, times, numbers and quantities as they are written in a language, times in one time zone.

A number keeps the digits that it is stored with: 1.50 is not 1.5. A date is written as exactly as it is known.

Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html#dateTime, #Quantity, #Period, #Range
"""

from __future__ import annotations

from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any

import msgspec

from healix_fhir.care.plot.times import Span, Tick
from healix_fhir.care.reports.words import words

Json = dict[str, Any]
MONTH, DAY = len("2000-01"), len("2000-01-31")
LONG_NUMBER = 15
"""Powers of ten from which on a number is written with its exponent."""
DASH = "\N{EN DASH}"
SPACE = "\N{NO-BREAK SPACE}"


class Written(msgspec.Struct, frozen=True):
    """How things are written in `language` and `zone`."""

    language: str
    zone: tzinfo

    def say(self, name: str, **values: str) -> str:
        """One of the words of every document, with values in its places."""
        text = words("frame", self.language)[name]
        return text.format(**values) if values else text

    def day(self, day: date) -> str:
        """A day."""
        return self.say("date", d=str(day.day), month=self._months()[day.month - 1], y=str(day.year))

    def moment(self, moment: datetime) -> str:
        """A moment in the time zone, to the minute."""
        here = moment.astimezone(self.zone)
        return self.say("time", date=self.day(here.date()), h=f"{here.hour:02}", min=f"{here.minute:02}")

    def date(self, text: str | None) -> str:
        """A date, dateTime or instant of FHIR; nothing for None, and as it stands what is none."""
        if not text:
            return ""
        try:
            if len(text) < MONTH:
                return text
            if len(text) == MONTH:
                return self.say("month", month=self._months()[int(text[5:]) - 1], y=text[:4])
            if len(text) == DAY:
                return self.day(date.fromisoformat(text))
            return self.moment(datetime.fromisoformat(text))
        except (ValueError, IndexError, OverflowError):  # also a moment that is before all years elsewhere
            return text

    def period(self, period: Json | None) -> str:
        """A Period."""
        start, end = self.date((period or {}).get("start")), self.date((period or {}).get("end"))
        return start if start == end or not end else f"{start} {DASH} {end}".strip()

    def number(self, value: Decimal | float) -> str:
        """A number with the digits that it has."""
        plain = isinstance(value, Decimal) and abs(value.adjusted()) < LONG_NUMBER
        text = format(value, "f") if plain else str(value)
        return text.replace("-", "\N{MINUS SIGN}").replace(".", self.say("decimal"))

    def quantity(self, quantity: Json | None) -> str:
        """A Quantity with its comparator and unit."""
        if not quantity or "value" not in quantity:
            return ""
        value = self.number(quantity["value"])
        return f"{quantity.get('comparator', '')}{value}{SPACE}{unit(quantity)}".strip()

    def range(self, low: Json | None, high: Json | None) -> str:
        """What lies between two Quantities, each of which may be missing."""
        if low and high and unit(low) == unit(high):
            low = {key: one for key, one in low.items() if key not in ("unit", "code")}
        if low and high:
            return f"{self.quantity(low)}{DASH}{self.quantity(high)}"
        if low:
            return f"\N{GREATER-THAN OR EQUAL TO}{SPACE}{self.quantity(low)}"
        return f"\N{LESS-THAN OR EQUAL TO}{SPACE}{self.quantity(high)}" if high else ""

    def status(self, code: str | None) -> str:
        """The code of a state; one that has no word here stands as it is."""
        return words("frame", self.language).get(f"status.{code}", code or "")

    def tick(self, tick: Tick) -> str:
        """What is written at a tick of time."""
        at = tick.at
        month = self._months("months_short")[at.month - 1]
        if tick.every.span is Span.HOUR and at.hour:
            return f"{at.hour:02}:{at.minute:02}"
        if tick.every.span in (Span.HOUR, Span.DAY):
            return f"{at.day} {month}"
        if tick.every.span is Span.MONTH:
            return f"{month} {at.year}" if at.month == 1 else month
        return str(at.year)

    def _months(self, name: str = "months") -> list[str]:
        return self.say(name).split()


def unit(quantity: Json) -> str:
    """The unit of a Quantity as people read it, else its code."""
    return str(quantity.get("unit") or quantity.get("code") or "")
