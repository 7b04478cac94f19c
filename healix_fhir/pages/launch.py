"""Starting an app with one patient, and one study or visit of the patient, from the clinician's page.

Spec: SMART App Launch 2.2 app-launch.html#launch-app-ehr-launch
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel import ids
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.pages.authorize.flow import back_to_app
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.people import may_see, sees
from healix_fhir.pages.site import Site, origin
from smart_auth.oauth.clients import find_client
from smart_auth.oauth.launch import Launched, address, create_launch

IMAGING = "view-images"
"""The intent of a launch with a study."""


async def start(site: Site, request: Request) -> Response:
    """POST /account/launch with `client`, `patient`, `about` (empty, ImagingStudy/ID or Encounter/ID) and `csrf`."""
    fields = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse("/account/login", 303)
    check_csrf(request, site.session_cookie, fields)
    patient, client_id = fields.get("patient", ""), fields.get("client", "")
    access = await site.access(request, session)
    if session.account.practitioner is None or not ids.is_logical_id(patient):
        raise invalid("That is none of your patients.")
    launched = _launched(patient, fields.get("about", ""))
    seen = await may_see(site, access, patient, launched.encounter)
    if not seen or not all([await sees(site, access, one["reference"]) for one in launched.fhir_context]):
        raise invalid("That is none of your patients.")
    client = await atransaction(site.pool, lambda: find_client(client_id))
    if client is None or client.launch_uri is None:
        raise invalid("That app cannot be started from here.")
    username, who = session.account.username, origin(request, session)
    launch = await atransaction(site.pool, lambda: create_launch(client_id, username, launched, origin=who))
    return back_to_app(address(client.launch_uri, site.fhir_base, launch))


def _launched(patient: str, about: str) -> Launched:
    """The context of a launch with a patient, and with what of the patient's it is about."""
    kind, _, id_ = about.partition("/")
    if not about:
        return Launched(patient)
    if not ids.is_logical_id(id_) or kind not in ("Encounter", "ImagingStudy"):
        raise invalid("An app is not started with that.")
    if kind == "Encounter":
        return Launched(patient, id_)
    return Launched(patient, intent=IMAGING, fhir_context=({"reference": about, "type": kind},))
