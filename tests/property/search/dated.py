"""Resources with random dates, and searches for these."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeAlias

from tests.property.search.moments import Span, date_question, span_of, written
from tests.property.search.question import Json, Question, at

PARAMETERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("Observation", "date"): ("effectiveDateTime", "effectivePeriod", "effectiveTiming", "effectiveInstant"),
    ("Observation", "value-date"): ("valueDateTime", "valuePeriod"),
    ("CarePlan", "date"): ("period",),
    ("Encounter", "date"): ("period",),
    ("CarePlan", "activity-date"): ("activity.detail.scheduledPeriod", "activity.detail.scheduledTiming"),
    ("Condition", "recorded-date"): ("recordedDate",),
    ("Condition", "abatement-date"): ("abatementDateTime",),
    ("Condition", "onset-date"): ("onsetPeriod",),
}

Make: TypeAlias = Callable[[], object]


class Dates:
    """Random resources with dates, and what each of these covers."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.covered: dict[str, Span] = {}

    def text(self, *, zoned: bool = False) -> str:
        """A date; of an instant, if `zoned`."""
        text, span = written(self._random, zoned=zoned)
        self.covered[text] = span
        return text

    def period(self) -> Json:
        """A Period, open at either end or at none."""
        ends = sorted([self.text(), self.text()], key=lambda text: self.covered[text][0])
        if self.covered[ends[0]][1] > self.covered[ends[1]][1]:
            ends = ends[1:] * 2
        kept = self._random.choice([("start",), ("end",), ("start", "end")])
        return {name: text for name, text in zip(("start", "end"), ends, strict=True) if name in kept}

    def timing(self) -> Json:
        """A Timing of events, bounds, or both."""
        kept = self._random.choice([("event",), ("repeat",), ("event", "repeat")])
        found: Json = {"event": [self.text(), self.text()], "repeat": {"boundsPeriod": self.period()}}
        return {name: found[name] for name in kept}

    def elements(self, type_name: str) -> Json:
        """Some of the dates of a resource."""
        return {name: make() for name, make in self._elements(type_name) if self._random.random() < 0.8}

    def question(self, type_name: str | None = None) -> Question:
        """A search of a type, or of any, for a date."""
        known = [one for one in PARAMETERS if type_name in (None, one[0])]
        type_name, name = self._random.choice(known)
        paths = PARAMETERS[type_name, name]

        def spans(resource: Json) -> list[Span]:
            found = [span_of(value, self.covered) for path in paths for value in at(resource, path)]
            return [span for span in found if span is not None]

        return date_question(self._random, type_name, name, spans)

    def _elements(self, type_name: str) -> list[tuple[str, Make]]:
        def one_of(*choices: tuple[str, Make]) -> tuple[str, Make]:
            return self._random.choice(choices)

        match type_name:
            case "Observation":
                return [
                    one_of(
                        ("effectiveDateTime", self.text),
                        ("effectivePeriod", self.period),
                        ("effectiveTiming", self.timing),
                        ("effectiveInstant", lambda: self.text(zoned=True)),
                    ),
                    one_of(("valueDateTime", self.text), ("valuePeriod", self.period)),
                ]
            case "Encounter":
                return [("period", self.period)]
            case "CarePlan":
                return [
                    ("period", self.period),
                    (
                        "activity",
                        lambda: [
                            {"detail": {"scheduledPeriod": self.period()}},
                            {"detail": {"scheduledTiming": self.timing()}},
                            {"detail": {"scheduledString": "now and then"}},
                        ][self._random.randrange(2) :],
                    ),
                ]
            case _:
                return [("recordedDate", self.text), ("abatementDateTime", self.text), ("onsetPeriod", self.period)]
