"""Starting an app with one patient, from the clinician's page.

Spec: SMART App Launch 2.2 app-launch.html#launch-app-ehr-launch
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel import ids
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.pages.authorize.flow import back_to_app, may_see
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.site import Site, origin
from smart_auth.oauth.clients import find_client
from smart_auth.oauth.launch import Launched, address, create_launch


async def start(site: Site, request: Request) -> Response:
    """POST /account/launch with `client`, `patient` and the hidden `csrf`."""
    fields = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse("/account/login", 303)
    check_csrf(request, site.session_cookie, fields)
    patient, client_id = fields.get("patient", ""), fields.get("client", "")
    access = await site.access(request, session)
    if session.account.practitioner is None or not ids.is_logical_id(patient):
        raise invalid("That is none of your patients.")
    if not await may_see(site, access, patient, None):
        raise invalid("That is none of your patients.")
    client = await atransaction(site.pool, lambda: find_client(client_id))
    if client is None or client.launch_uri is None:
        raise invalid("That app cannot be started from here.")
    username, who = session.account.username, origin(request, session)
    launch = await atransaction(site.pool, lambda: create_launch(client_id, username, Launched(patient), origin=who))
    return back_to_app(address(client.launch_uri, site.fhir_base, launch))
