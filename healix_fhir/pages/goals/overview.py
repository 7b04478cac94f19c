"""The goals of a patient: how far each is, how long it has been kept up, and what is to be done about it.

Spec: FHIR R4, hl7.org/fhir/R4/goal.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.database import Work
from healix_fhir.kernel.language.catalogue import marked, say
from healix_fhir.kernel.language.dates import figure
from healix_fhir.operation.goal.achievement import name, number, worded
from healix_fhir.operation.goal.progress import Progress
from healix_fhir.operation.goal.progress_call import seen, zone_seen
from healix_fhir.operation.goal.target import plan
from healix_fhir.pages.goals.asked import fields_of
from healix_fhir.pages.goals.plot import drawn, plotted
from healix_fhir.pages.goals.whose import ADDRESS, LOGIN, Whose, whose
from healix_fhir.pages.people import resources
from healix_fhir.pages.readings.plots import ROOM
from healix_fhir.pages.readings.svg import Mark
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from healix_fhir.store.lifecycle.goal import ELEMENT, TRANSITIONS

Json = dict[str, Any]
GOAL = "Goal"
GOALS = 100
MEASURED = 30
"""Goals whose progress one page computes: the first of those under way."""
UNDER_WAY = ("active", "accepted", "planned", "proposed", "on-hold")
"""By what a goal is under way, in the order in which they are shown."""
STEPS = ("active", "on-hold", "completed", "cancelled")
"""Where the buttons of a page lead."""


WANTED = (
    marked("{first} to {last}"),
    marked("at least {value}"),
    marked("more than {value}"),
    marked("at most {value}"),
    marked("less than {value}"),
)
"""How what is wanted is said."""


class Aim(msgspec.Struct, frozen=True):
    """A target as people read it."""

    name: str
    wanted: str
    last: str
    day: str
    due: str
    percent: int
    met: bool
    days: int
    weeks: int
    marks: Sequence[Mark] = ()
    points: Sequence[tuple[str, str]] = ()


class Line(msgspec.Struct, frozen=True):
    """A goal as people read it. `steps` are the lifecycle codes to which its buttons lead."""

    id: str
    title: str
    status: str
    achievement: str
    reason: str
    aims: tuple[Aim, ...]
    changeable: bool
    steps: tuple[str, ...]


async def show(site: Site, request: Request) -> Response:
    """GET /account/goals, with `patient` where it is not one's own record."""
    found = await whose(site, request, request.query_params.get("patient", ""))
    if found is None:
        return RedirectResponse(LOGIN, 303)
    goals = await _goals(site, found)
    open_ = [goal for goal in goals if goal.get(ELEMENT) in UNDER_WAY]
    open_.sort(key=lambda goal: UNDER_WAY.index(goal[ELEMENT]))
    progress = await site.interactions.timed(lambda: _aims(site, found, open_[:MEASURED]), aside=True)
    return page(
        "goals.html",
        username=found.session.account.username,
        csrf=found.session.csrf,
        patient=found.patient,
        clinical=found.clinical,
        own=found.own,
        here=address(found),
        goals=[_line(found, goal, progress.get(goal["id"], ())) for goal in open_],
        past=[_line(found, goal, ()) for goal in goals if goal.get(ELEMENT) not in UNDER_WAY],
        room=ROOM,
        more=len(goals) == GOALS,
        new=f"{ADDRESS}/edit?{urlencode({'patient': found.patient.id})}",
    )


def address(found: Whose) -> str:
    """Where the goals of a patient are."""
    return ADDRESS if found.own else f"{ADDRESS}?{urlencode({'patient': found.patient.id})}"


async def _goals(site: Site, found: Whose) -> list[Json]:
    """The goals of a patient, the newest first, without those that were a mistake."""
    params = [("patient", f"Patient/{found.patient.id}"), ("lifecycle-status:not", "entered-in-error")]
    params += [("_sort", "-start-date"), ("_count", str(GOALS))]
    return list(resources(await site.interactions.search(found.access, GOAL, params)))


def _aims(site: Site, found: Whose, goals: Sequence[Json]) -> Work[dict[str, tuple[Aim, ...]]]:
    base = site.interactions.bases[0]
    zone: tzinfo = yield from zone_seen(found.access, found.patient.id, site.interactions.zone, base)
    done = {}
    for goal in goals:
        progress = yield from seen(found.access, goal["id"], plan(goal), zone, base)
        done[goal["id"]] = tuple(_aim(one, zone) for one in progress)
    return done


def _line(found: Whose, goal: Json, aims: tuple[Aim, ...]) -> Line:
    status = goal.get("achievementStatus", {})
    changeable = found.may_change(goal.get("expressedBy", {}).get("reference"))
    lifecycle = str(goal.get(ELEMENT, ""))
    next_ = TRANSITIONS.get(lifecycle, frozenset())
    return Line(
        goal["id"],
        _text(goal["description"]) or say("Goal"),
        lifecycle,
        next((one["code"] for one in status.get("coding", ()) if "code" in one), ""),
        goal.get("statusReason", ""),
        aims,
        changeable and lifecycle in UNDER_WAY and fields_of(goal) is not None,
        tuple(step for step in STEPS if step in next_) if changeable else (),
    )


def _text(concept: Json) -> str:
    return str(
        concept.get("text") or next((one["display"] for one in concept.get("coding", ()) if "display" in one), "")
    )


def _wanted(one: Progress) -> str:
    text, values = worded(one.bounds, one.target)
    return say(text, **{name_: figure(value) for name_, value in values.items()})


def _aim(one: Progress, zone: tzinfo) -> Aim:
    last = one.last
    return Aim(
        name(one.target),
        _wanted(one),
        number(last.value, one.target) if last is not None else "",
        last.day.isoformat() if last is not None else "",
        one.target.due.isoformat() if one.target.due is not None else "",
        one.percent,
        one.met,
        one.days,
        one.weeks,
        drawn(one, zone),
        [(point.day.isoformat(), number(point.value, one.target)) for point in reversed(plotted(one))],
    )
