"""Choosing the visit that an app is to know of, among those of the chosen patient, or that none is meant.

Spec: SMART App Launch 2.2 scopes-and-launch-context.html#scopes-for-requesting-context-data (launch/encounter)
"""

from __future__ import annotations

import dataclasses

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel import ids
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.language.catalogue import marked
from healix_fhir.pages.authorize import patient
from healix_fhir.pages.authorize.flow import ONWARD, Going, step
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.people import may_see, one
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from healix_fhir.pages.visits import day_of, visits
from smart_auth.oauth.authorize.answer import Refused
from smart_auth.oauth.authorize.pending import choose_encounter

NOT_THERE = marked("Choose one of the visits listed here.")


async def show(site: Site, request: Request, going: Going, *, error: str = "") -> Response:
    """The list, newest first, a page of it, or those of a day. Raises Refused where no page may be shown."""
    if going.pending.asked.silent:
        raise Refused("interaction_required", "a visit has to be chosen")
    assert going.patient is not None  # chosen before
    day = day_of(request.query_params.get("day", ""))
    found = await visits(site, going.access, going.patient, day, request.query_params.get("cursor"))
    return page(
        "choose_encounter.html",
        400 if error else 200,
        **going.shown(),
        patient=await one(site, going.access, going.patient),
        visits=found.visits,
        next=found.next,
        day=day,
        error=error,
    )


async def submit(site: Site, request: Request) -> Response:
    """POST /account/authorize/encounter with `encounter` (empty for none), `request` and the hidden `csrf`."""
    fields = await read_form(request)
    check_csrf(request, site.session_cookie, fields)
    chosen = fields.get("encounter")

    async def choose(site: Site, request: Request, going: Going) -> Response:
        whose = going.patient or await patient.only(site, going)
        if whose is None or not going.about_encounter:
            return RedirectResponse(f"{ONWARD}?request={going.pending.id}", 303)
        visit = chosen if chosen is not None else "?"
        if visit and not (ids.is_logical_id(visit) and await may_see(site, going.access, whose, visit)):
            going = dataclasses.replace(going, pending=msgspec.structs.replace(going.pending, patient=whose))
            return await show(site, request, going, error=NOT_THERE)
        await atransaction(site.pool, lambda: choose_encounter(going.pending, visit))
        return RedirectResponse(f"{ONWARD}?request={going.pending.id}", 303)

    return await step(site, request, fields.get("request", ""), choose)
