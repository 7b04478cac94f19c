"""What the pages of appointments may read and write for an account, and who is at them.

The same predicate as for a token with these scopes: patients and who acts for them book for themselves, clinicians for
patients in their care.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from healix_fhir.kernel.errors import forbidden
from healix_fhir.pages.site import Site
from smart_auth.access import AccessContext
from smart_auth.oauth.sessions import Session
from smart_auth.scope import parse

LOGIN = "/account/login"
SCOPE = parse(
    "user/Appointment.crus user/Slot.rs user/Schedule.rs user/Encounter.crus user/Patient.rs user/Practitioner.rs"
    " user/PractitionerRole.rs user/Location.rs"
)


async def reach(site: Site, request: Request, session: Session) -> AccessContext:
    """The access of an account. Raises Forbidden for those who have no appointments: administrators."""
    if session.account.role == "admin":
        raise forbidden("Appointments are for patients and clinicians.")
    return msgspec.structs.replace(await site.access(request, session), scopes=SCOPE)


async def clinician(site: Site, request: Request) -> tuple[Session, str] | None:
    """The session of a clinician, and which Practitioner that is. Raises Forbidden for others' sessions."""
    session = await site.session(request)
    if session is None:
        return None
    if session.account.practitioner is None:
        raise forbidden("The clinic's calendar is for clinicians.")
    return session, session.account.practitioner
