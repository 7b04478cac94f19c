"""Opens a study in the viewer with an access token of a quarter of an hour that opens images and nothing else.

The viewer has no login of its own yet, so that the token is in the address it is opened with; it is made when the
button is pressed, never shown in a page, and ends soon.
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dicomweb.uid import is_uid
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import forbidden, invalid
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.site import Site
from smart_auth.oauth.sessions import Session
from smart_auth.store import create_token

LIFE = 15 * 60
CLIENT = "healix-viewer"


async def open_study(site: Site, request: Request) -> Response:
    """POST /account/view with `study` and the hidden `csrf`."""
    fields = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse("/account/login", 303)
    check_csrf(request, site.session_cookie, fields)
    uid = fields.get("study", "")
    if not is_uid(uid):
        raise invalid("that is no study")
    scope = _scope(session)
    token = await atransaction(
        site.pool, lambda: create_token(scope, username=session.account.username, client=CLIENT, ttl=LIFE)
    )
    address = "/ohif/viewer?" + urlencode({"StudyInstanceUIDs": uid, "token": token})
    return RedirectResponse(address, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def _scope(session: Session) -> str:
    account = session.account
    if account.practitioner is not None:
        return "user/ImagingStudy.rs"
    if account.patient is not None:
        return "patient/ImagingStudy.rs"
    raise forbidden("Administrators do not open studies.")
