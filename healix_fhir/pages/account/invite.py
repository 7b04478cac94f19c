"""Invitation codes, made by a clinician for a patient in care, or by an administrator.

Who holds a code may become the patient's account. So break-glass is not enough: nobody makes an emergency last.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.care.persons import is_patient
from healix_fhir.kernel import ids
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import forbidden, not_found
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.people import may_see
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.access import AccessContext
from smart_auth.account.invitation import LIFE, invite
from smart_auth.oauth.sessions import Session
from smart_auth.patients import patient_keys
from smart_auth.scope import Permission, parse

ADDRESS = "/account/invite"
LOGIN = "/account/login"
CARING = parse("user/Patient.u")


async def make(site: Site, request: Request) -> Response:
    """POST /account/invite with `patient`, a logical id, and the hidden `csrf`."""
    fields = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, fields)
    patient, who = fields.get("patient", "").strip().removeprefix("Patient/"), origin(request, session)
    if not await _may_invite(site, request, session, patient):
        raise not_found("There is no such patient.")
    code = await atransaction(site.pool, lambda: invite(f"Patient/{patient}", who))
    return page(
        "invitation.html",
        username=session.account.username,
        csrf=session.csrf,
        code=code,
        days=LIFE // 86400,
        address=f"{site.root}/account/register",
    )


async def _may_invite(site: Site, request: Request, session: Session, patient: str) -> bool:
    if session.account.role == "patient":
        raise forbidden("Patients are invited by the clinic.")
    if not ids.is_logical_id(patient):
        return False
    if session.account.role == "admin":
        return await atransaction(site.pool, lambda: is_patient(patient))
    access = await site.access(request, session)
    if not await may_see(site, access, patient, None):
        return False
    caring = msgspec.structs.replace(access, scopes=CARING)
    return await atransaction(site.pool, lambda: _cares(caring, patient))


def _cares(access: AccessContext, patient: str) -> Work[bool]:
    """Whether an ordinary relationship opens the record: by such a one only a Patient is changed."""
    keys = yield from patient_keys([patient])
    return (yield from access.may_hold("Patient", Permission.UPDATE, [keys[patient]]))
