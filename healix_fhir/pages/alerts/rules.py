"""The alert rules of a clinician's patient, as a list and a form: each is a CarePlan in that patient's record.

Who may not write there cannot put a rule in force: what a form makes is written as any app would.

Spec: FHIR R4, hl7.org/fhir/R4/careplan.html
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.care.alerts.worded import worded
from healix_fhir.kernel.clock import instant, now
from healix_fhir.kernel.database import Statement, Work, atransaction
from healix_fhir.kernel.errors import forbidden, invalid
from healix_fhir.model.json import decode, encode
from healix_fhir.pages.alerts.asked import LONGEST, Fields, fields, rule
from healix_fhir.pages.alerts.inbox import ADDRESS, LOGIN, access_of
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.measures import MEASURES, ProblemError
from healix_fhir.pages.people import resources
from healix_fhir.pages.present import Json
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from healix_fhir.pages.whose import Whose, whose

RULES = f"{ADDRESS}/rules"
CARE_PLAN = "CarePlan"
MOST = 200


class Line(msgspec.Struct, frozen=True):
    """A rule as people read it. `state` is active, inactive or unread; `problem` why it is not in force, or failed."""

    id: str
    title: str
    state: str
    problem: str


async def show(site: Site, request: Request) -> Response:
    """GET /account/alerts/rules with `patient`."""
    found = await _whose(site, request, request.query_params.get("patient", ""))
    return RedirectResponse(LOGIN, 303) if found is None else await _page(site, found, Fields(tell="on"))


async def submit(site: Site, request: Request) -> Response:
    """POST /account/alerts/rules with `patient`, the fields and the hidden `csrf`: put a rule in force."""
    form = await read_form(request)
    found = await _whose(site, request, form.get("patient", ""))
    if found is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, form)
    asked = fields(form)
    try:
        plan = rule(asked, "clinical-protocol")
    except ProblemError as problem:
        return await _page(site, found, asked, problem)
    await site.interactions.create(found.access, CARE_PLAN, encode(_care_plan(found, plan)))
    return RedirectResponse(_address(found), 303)


async def end(site: Site, request: Request) -> Response:
    """POST /account/alerts/rules/end with `patient`, `rule` and the hidden `csrf`."""
    form = await read_form(request)
    found = await _whose(site, request, form.get("patient", ""))
    if found is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, form)
    stored = await site.interactions.read(found.access, CARE_PLAN, form.get("rule", ""))
    plan = decode(stored.body)
    if plan["subject"].get("reference") != f"Patient/{found.patient.id}":
        raise invalid("That rule is of somebody else.")
    await site.interactions.update(
        found.access, CARE_PLAN, stored.id, encode(plan | {"status": "revoked"}), stored.version
    )
    return RedirectResponse(_address(found), 303)


async def _whose(site: Site, request: Request, patient: str) -> Whose | None:
    """The patient. Raises Forbidden for others than clinicians, NotFound for whom one does not see."""
    session = await site.session(request)
    if session is not None and session.account.practitioner is None:
        raise forbidden("Alert rules of patients are for clinicians.")
    found = await whose(site, request, patient)
    if found is None or session is None:
        return None
    return Whose(session, await access_of(site, request, session), found.patient)


def _care_plan(found: Whose, plan: Json) -> Json:
    author = found.session.account.practitioner
    return {
        "resourceType": CARE_PLAN,
        "contained": [plan | {"id": "rule"}],
        "instantiatesCanonical": ["#rule"],
        "status": "active",
        "intent": "plan",
        "title": plan["title"],
        "subject": {"reference": f"Patient/{found.patient.id}"},
        "created": instant(now()),
        "author": {"reference": f"Practitioner/{author}"},
    }


def _address(found: Whose) -> str:
    return f"{RULES}?patient={found.patient.id}"


async def _page(site: Site, found: Whose, held: Fields, problem: ProblemError | None = None) -> Response:
    asked = [("patient", f"Patient/{found.patient.id}"), ("status", "active"), ("_count", str(MOST))]
    plans = list(resources(await site.interactions.search(found.access, CARE_PLAN, asked)))
    states = await atransaction(site.pool, lambda: states_of([f"{CARE_PLAN}/{one['id']}" for one in plans]))
    lines = [line(one, states.get(f"{CARE_PLAN}/{one['id']}")) for one in plans if one.get("instantiatesCanonical")]
    return page(
        "alert_rules.html",
        400 if problem is not None else 200,
        **found.common,
        **form(held, problem),
        rules=lines,
        where=RULES,
        back=ADDRESS,
    )


def form(held: Fields, problem: ProblemError | None) -> dict[str, Any]:
    """What the form needs."""
    return {"held": held, "problem": problem, "measures": MEASURES.values(), "longest": LONGEST}


State = tuple[int, bool, str | None, str | None]


def states_of(sources: list[str]) -> Work[dict[str, State]]:
    """What the job worker has made of sources: version, whether in force, problem, failure."""
    rows = yield Statement(
        "SELECT source, version, plans <> '', problem, failure FROM alert_rule WHERE source = ANY(%s)", (sources,)
    )
    return {source: tuple(rest) for source, *rest in rows}


def line(resource: Json, state: State | None) -> Line:
    """A rule as a line."""
    title = worded(resource.get("title") or resource.get("name") or resource["id"])
    if state is None or state[0] < int(resource["meta"]["versionId"]):
        return Line(resource["id"], title, "unread", "")
    _, in_force, problem, failure = state
    if in_force:
        return Line(resource["id"], title, "active", failure or "")
    return Line(resource["id"], title, "inactive", problem or "")
