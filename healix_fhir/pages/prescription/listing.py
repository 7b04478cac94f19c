"""The prescriptions of a patient, in plain words: what is in use, what was, and what they take beside; and for
clinicians what patients have asked for.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.language.catalogue import Words
from healix_fhir.pages.prescription.finding import medicines, persons, prescriptions, refill_requests, whose
from healix_fhir.pages.prescription.gate import ADDRESS, Caller
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site

GOING_ON = ("active", "on-hold", "draft", "unknown")
REFILLS = "/account/refills"


async def show(site: Site, request: Request, caller: Caller) -> Response:
    """GET /account/prescriptions, with the `patient` whose they are where it is not one's own."""
    asked = request.query_params.get("patient", "")
    if caller.is_clinician and not asked:
        return RedirectResponse(REFILLS, 303)
    person = await whose(site, caller, asked)
    listed = await prescriptions(site, caller, person.id)
    taken = await medicines(site, caller, person.id)
    return page(
        "prescriptions.html",
        **caller.common,
        address=ADDRESS,
        person=person,
        own=person.id == caller.session.account.patient,
        now=[one for one in listed if one.status in GOING_ON],
        before=[one for one in listed if one.status not in GOING_ON],
        medicines=taken,
        done=DONE.get(request.query_params.get("done", ""), ""),
    )


async def refills(site: Site, request: Request, caller: Caller) -> Response:
    """GET /account/refills"""
    del request
    listed = await refill_requests(site, caller)
    known = await persons(site, caller, (one.patient for one in listed))
    asked = [(one, known[one.patient]) for one in listed if one.patient in known]
    return page("refills.html", **caller.common, address=ADDRESS, asked=asked)


DONE = Words(
    {
        "asked": "Your clinic has been asked. You will see the new prescription here once it is signed.",
        "withdrawn": "What you asked for is withdrawn.",
        "changed": "The prescription is changed.",
        "signed": "The prescription is signed.",
        "removed": "The draft is thrown away.",
        "dispensed": "It is written down.",
        "taken": "It is written down.",
    }
)
"""What is said after something was done."""
