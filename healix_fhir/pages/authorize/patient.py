"""Choosing the patient whose record an app is to see: for clinicians among the patients in their care, for parents
among those they act for, and themselves.

Spec: SMART App Launch 2.2 scopes-and-launch-context.html#launch-context-arrives-with-your-access_token
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel import ids
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.language.catalogue import marked
from healix_fhir.pages.authorize.flow import ONWARD, Going, step
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.people import may_see, own_first, people
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from smart_auth.oauth.authorize.answer import Refused
from smart_auth.oauth.authorize.pending import choose_patient

NOT_YOURS = marked("Choose one of the patients listed here.")


async def only(site: Site, going: Going) -> str | None:
    """The one record that a patient's account sees; None where there are several, and for clinicians, who choose."""
    person = going.access.person
    if person is None:
        return None
    if not person.proxies:
        return going.session.account.patient
    found = await people(site, going.access, "", None)
    return found.persons[0].id if len(found.persons) == 1 else None


async def show(site: Site, request: Request, going: Going, *, error: str = "") -> Response:
    """The list, a page of it, or what was searched for by name. Raises Refused where no page may be shown."""
    if going.pending.asked.silent:
        raise Refused("interaction_required", "a patient has to be chosen")
    asked = request.query_params.get("name", "").strip()[:100]
    found = await people(site, going.access, asked, request.query_params.get("cursor"))
    own = going.session.account.patient
    return page(
        "choose_patient.html",
        400 if error else 200,
        **going.shown(),
        patients=own_first(found.persons, own),
        next=found.next,
        asked=asked,
        own=own,
        cares=going.session.account.practitioner is not None,
        error=error,
    )


async def submit(site: Site, request: Request) -> Response:
    """POST /account/authorize/patient with `patient`, `request` and the hidden `csrf`."""
    fields = await read_form(request)
    check_csrf(request, site.session_cookie, fields)
    patient = fields.get("patient", "")

    async def choose(site: Site, request: Request, going: Going) -> Response:
        known = ids.is_logical_id(patient) and await may_see(site, going.access, patient)
        if going.launched is not None or not known:
            return await show(site, request, going, error=NOT_YOURS)
        await atransaction(site.pool, lambda: choose_patient(going.pending, patient))
        return RedirectResponse(f"{ONWARD}?request={going.pending.id}", 303)

    return await step(site, request, fields.get("request", ""), choose)
