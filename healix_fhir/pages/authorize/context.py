"""The launch context that a request asks for: whose record it is about, and which visit.

What is missing is asked for, a step at a time. That the account sees what was chosen, or what the app was started for,
is looked at each time, for it may have ended meanwhile.

Spec: SMART App Launch 2.2 scopes-and-launch-context.html#scopes-for-requesting-context-data
"""

from __future__ import annotations

import dataclasses

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.pages.authorize import encounter, patient
from healix_fhir.pages.authorize.flow import Going
from healix_fhir.pages.people import may_see, sees
from healix_fhir.pages.site import Site
from smart_auth.oauth.authorize.answer import Refused
from smart_auth.oauth.launch import Launched


async def complete(site: Site, request: Request, going: Going) -> Going | Response:
    """The request with all of its context, or the page that asks for what is missing. Raises Refused."""
    if not going.about_patient:
        return going
    if going.launched is not None:
        await _check_launch(site, going, going.launched)
        return going
    whose = going.patient or await patient.only(site, going)
    if whose is None or not await may_see(site, going.access, whose):
        return await patient.show(site, request, going)
    going = dataclasses.replace(going, pending=msgspec.structs.replace(going.pending, patient=whose))
    if not going.about_encounter or going.pending.encounter == "":
        return going
    if going.pending.encounter is None or not await may_see(site, going.access, whose, going.pending.encounter):
        return await encounter.show(site, request, going)
    return going


async def _check_launch(site: Site, going: Going, launched: Launched) -> None:
    """Refuse a launch with anything that the account does not see."""
    seen = await may_see(site, going.access, launched.patient, launched.encounter)
    named = [one["reference"] for one in launched.fhir_context if "reference" in one]
    if not seen or not all([await sees(site, going.access, reference) for reference in named]):
        raise Refused("access_denied", "the account does not see what the app was started for")
