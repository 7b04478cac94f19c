"""What a Goal's achievementStatus is by its measurements, with the reason in words.

It follows from the progress alone, never from what it was before, so that who computes it twice gets it twice:

* All targets are met: `sustaining`, when each has been for 7 days or 2 weeks in a row and is not over, else `achieved`.
* The time of a target that is not met is over: `not-achieved`, or `no-progress` where none came nearer.
* Else by the trends of those not met: `worsening` if one does, `improving` if one does, `in-progress` while there is
  nothing to compare, `no-change` if all stand still.

A Goal of which some target cannot be measured is for people to judge.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-goal-achievement.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

import msgspec

from healix_fhir.operation.goal.progress import Progress, Trend
from healix_fhir.operation.goal.target import Bounds, Target

SYSTEM = "http://terminology.hl7.org/CodeSystem/goal-achievement"
DISPLAYS: Mapping[str, str] = MappingProxyType(
    {
        "in-progress": "In Progress",
        "improving": "Improving",
        "worsening": "Worsening",
        "no-change": "No Change",
        "achieved": "Achieved",
        "sustaining": "Sustaining",
        "not-achieved": "Not Achieved",
        "no-progress": "No Progress",
        "not-attainable": "Not Attainable",
    }
)
NAMED = 100
"""Characters of what is measured that are told."""
DAYS, WEEKS = 7, 2
"""A streak as long as this sustains a goal."""


class Achievement(msgspec.Struct, frozen=True):
    """A code of `SYSTEM`, why, and the Observations (logical ids) that say so."""

    code: str
    reason: str
    sources: tuple[str, ...] = ()

    @property
    def display(self) -> str:
        """The code in words."""
        return DISPLAYS[self.code]


def achievement(found: Sequence[Progress], *, values: bool = True) -> Achievement:
    """What follows from the progress of every target of a Goal; there is one at least. The reason tells `values`, or
    none.
    """
    sources = tuple(dict.fromkeys(id_ for one in found for id_ in one.sources))
    return Achievement(_code(found), " ".join(said(one) if values else judged(one) for one in found), sources)


def _code(found: Sequence[Progress]) -> str:
    missed = [one for one in found if not one.met]
    if not missed:
        return "sustaining" if all(map(_is_sustained, found)) else "achieved"
    if any(one.over for one in missed):
        return "not-achieved" if any(one.percent for one in found) else "no-progress"
    trends = {one.trend for one in missed}
    if Trend.WORSENING in trends:
        return "worsening"
    if Trend.IMPROVING in trends:
        return "improving"
    return "in-progress" if None in trends else "no-change"


def _is_sustained(one: Progress) -> bool:
    return not one.over and (one.days >= DAYS or one.weeks >= WEEKS)


def said(one: Progress) -> str:
    """Where a target stands, as a sentence."""
    what, wanted = name(one.target), limits(one.bounds, one.target)
    if one.last is None:
        return f"{what}: nothing was measured yet; wanted is {wanted}."
    state = f"{what}: {number(one.last.value, one.target)} on {one.last.day}; wanted is {wanted}"
    when = f" until {one.target.due}" if one.target.due is not None else ""
    if one.met:
        return f"{state}{when}: met."
    return f"{state}{when}: {one.percent} % of the way."


def judged(one: Progress) -> str:
    """The same without what was measured."""
    when = f" until {one.target.due}" if one.target.due is not None else ""
    state = "nothing was measured yet" if one.last is None else "met" if one.met else "not met"
    return f"{name(one.target)}: wanted is {limits(one.bounds, one.target)}{when}: {state}."


def name(target: Target) -> str:
    """What is measured, as people call it."""
    shown = target.measure.get("text") or next(
        (one["display"] for one in target.measure.get("coding", ()) if one.get("display")), ""
    )
    return str(shown or target.codes[0][1])[:NAMED]


def limits(bounds: Bounds, target: Target) -> str:
    """Between what a value is to be, in words."""
    text, values = worded(bounds, target)
    return text.format(**values)


def worded(bounds: Bounds, target: Target) -> tuple[str, dict[str, str]]:
    """The same as a text with names, and the values for them, so that it can be said in other languages."""
    if bounds.aim is not None:
        return "{value}", {"value": number(bounds.aim, target)}
    if bounds.low is not None and bounds.high is not None:
        if bounds.low == bounds.high:
            return "{value}", {"value": number(bounds.low, target)}
        return "{first} to {last}", {"first": f"{bounds.low:f}", "last": number(bounds.high, target)}
    if bounds.low is not None:
        text = "at least {value}" if bounds.low_included else "more than {value}"
        return text, {"value": number(bounds.low, target)}
    assert bounds.high is not None
    text = "at most {value}" if bounds.high_included else "less than {value}"
    return text, {"value": number(bounds.high, target)}


def number(value: Decimal, target: Target) -> str:
    """A value with its unit."""
    return f"{value:f} {target.scale.shown}".strip()
