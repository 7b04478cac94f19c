"""Set a goal, or change one: a form in plain words, from a list of measures."""

from __future__ import annotations

from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel import clock
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import forbidden, invalid
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.goal.progress_call import zone_seen
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.goals.asked import LONGEST, Fields, description, fields, fields_of, target
from healix_fhir.pages.goals.overview import GOAL, STEPS, UNDER_WAY, address
from healix_fhir.pages.goals.whose import LOGIN, Whose, whose
from healix_fhir.pages.measures import MEASURES, ProblemError
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from healix_fhir.store.lifecycle.goal import ELEMENT, TRANSITIONS

Json = dict[str, Any]


async def show(site: Site, request: Request) -> Response:
    """GET /account/goals/edit with `patient` and, to change one, `goal`."""
    found = await whose(site, request, request.query_params.get("patient", ""))
    if found is None:
        return RedirectResponse(LOGIN, 303)
    id_ = request.query_params.get("goal", "")
    held = _held(await _goal(site, found, id_))[0] if id_ else Fields()
    return _form(found, id_, held)


async def submit(site: Site, request: Request) -> Response:
    """POST /account/goals/edit with `patient`, the fields, for a change `goal`, and the hidden `csrf`."""
    form = await read_form(request)
    found = await whose(site, request, form.get("patient", ""))
    if found is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, form)
    id_, asked = form.get("goal", ""), fields(form)
    today = await _today(site, found)
    goal, version = _held(await _goal(site, found, id_))[1:] if id_ else (_new(found, today), 0)
    try:
        goal["target"] = [_kept(goal, target(asked, today))]
    except ProblemError as problem:
        return _form(found, id_, asked, problem)
    goal["description"] = description(asked)
    if id_:
        await site.interactions.update(found.access, GOAL, id_, encode(goal), version)
    else:
        await site.interactions.create(found.access, GOAL, encode(goal))
    return RedirectResponse(address(found), 303)


async def step(site: Site, request: Request) -> Response:
    """POST /account/goals/status with `patient`, `goal`, `status` and the hidden `csrf`: rest, go on, end."""
    form = await read_form(request)
    found = await whose(site, request, form.get("patient", ""))
    if found is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, form)
    id_, status = form.get("goal", ""), form.get("status", "")
    goal, version = await _goal(site, found, id_)
    if status not in STEPS or status not in TRANSITIONS.get(goal.get(ELEMENT, ""), ()):
        raise invalid("That does not follow from what the goal is now. Please look at it again.")
    changed = goal | {"lifecycleStatus": status, "statusDate": (await _today(site, found)).isoformat()}
    await site.interactions.update(found.access, GOAL, id_, encode(changed), version)
    return RedirectResponse(address(found), 303)


async def _goal(site: Site, found: Whose, id_: str) -> tuple[Json, int]:
    """A goal of the patient that who looks may change, and its version. Raises NotFound, or Forbidden."""
    stored = await site.interactions.read(found.access, GOAL, id_)
    goal = decode(stored.body)
    if goal["subject"].get("reference") != f"Patient/{found.patient.id}":
        raise invalid("That goal is of somebody else.")
    if not found.may_change(goal.get("expressedBy", {}).get("reference")):
        raise forbidden("This goal was set by somebody else. Ask them to change it.")
    return goal, stored.version


def _held(found: tuple[Json, int]) -> tuple[Fields, Json, int]:
    """A goal with what the form holds of it. Raises Invalid for one that no form changes."""
    goal, version = found
    held = fields_of(goal)
    if held is None or goal.get(ELEMENT) not in UNDER_WAY:
        raise invalid("This goal cannot be changed here.")
    return held, goal, version


def _kept(goal: Json, new: Json) -> Json:
    """A target with what the old one says beside what the form asks for."""
    old: Json = next(iter(goal.get("target", ())), {})
    return {key: value for key, value in old.items() if key in ("id", "extension")} | new


def _new(found: Whose, today: date) -> Json:
    return {
        "resourceType": GOAL,
        "lifecycleStatus": "active",
        "subject": {"reference": f"Patient/{found.patient.id}", "display": found.patient.name},
        "startDate": today.isoformat(),
        **({"expressedBy": {"reference": found.author}} if found.author is not None else {}),
    }


async def _today(site: Site, found: Whose) -> date:
    """The day that it is for the patient."""
    interactions = site.interactions
    zone = await atransaction(
        site.pool, lambda: zone_seen(found.access, found.patient.id, interactions.zone, interactions.bases[0])
    )
    return clock.now().astimezone(zone).date()


def _form(found: Whose, id_: str, held: Fields, problem: ProblemError | None = None) -> Response:
    return page(
        "goal.html",
        400 if problem is not None else 200,
        username=found.session.account.username,
        csrf=found.session.csrf,
        patient=found.patient,
        own=found.own,
        goal=id_,
        held=held,
        problem=problem,
        measures=MEASURES.values(),
        longest=LONGEST,
        back=address(found),
    )
