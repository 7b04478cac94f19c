"""The alert rules for all patients, as a list and a form for administrators: each is a PlanDefinition.

Spec: FHIR R4, hl7.org/fhir/R4/plandefinition.html
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.database import atransaction
from healix_fhir.model.json import decode, encode
from healix_fhir.pages.admin.gate import ADMIN
from healix_fhir.pages.alerts import asked
from healix_fhir.pages.alerts.rules import MOST, form, line, states_of
from healix_fhir.pages.gate import Fields, one
from healix_fhir.pages.measures import ProblemError
from healix_fhir.pages.people import resources
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.access import AccessContext
from smart_auth.oauth.sessions import Session
from smart_auth.scope import parse

RULES = f"{ADMIN}/alerts"
PLAN = "PlanDefinition"
SCOPE = parse("system/PlanDefinition.crus")
"""Definitions are of no patient."""


async def show(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/alerts"""
    return await _page(site, request, session, asked.Fields(tell="on"))


async def submit(site: Site, request: Request, session: Session, sent: Fields) -> Response:
    """POST /admin/alerts with the fields of a limit: put a rule in force for all patients."""
    wanted = asked.fields({name: one(sent, name) for name in asked.Fields.__struct_fields__})
    try:
        plan = asked.rule(wanted, "eca-rule")
    except ProblemError as problem:
        return await _page(site, request, session, wanted, problem)
    await site.interactions.create(_access(request, session), PLAN, encode(plan))
    return RedirectResponse(RULES, 303)


async def end(site: Site, request: Request, session: Session, sent: Fields) -> Response:
    """POST /admin/alerts/end with `rule`: retire a rule."""
    access = _access(request, session)
    stored = await site.interactions.read(access, PLAN, one(sent, "rule"))
    retired = decode(stored.body) | {"status": "retired"}
    await site.interactions.update(access, PLAN, stored.id, encode(retired), stored.version)
    return RedirectResponse(RULES, 303)


def _access(request: Request, session: Session) -> AccessContext:
    return AccessContext(SCOPE, origin(request, session))


async def _page(
    site: Site, request: Request, session: Session, held: asked.Fields, problem: ProblemError | None = None
) -> Response:
    params = [("type", "eca-rule,clinical-protocol"), ("status", "active,draft"), ("_count", str(MOST))]
    plans = list(resources(await site.interactions.search(_access(request, session), PLAN, params)))
    states = await atransaction(site.pool, lambda: states_of([f"{PLAN}/{plan['id']}" for plan in plans]))
    return page(
        "admin/alerts.html",
        400 if problem is not None else 200,
        username=session.account.username,
        csrf=session.csrf,
        **form(held, problem),
        rules=[line(plan, states.get(f"{PLAN}/{plan['id']}")) for plan in plans],
        where=RULES,
    )
