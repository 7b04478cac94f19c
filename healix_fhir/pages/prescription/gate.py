"""Who uses the pages of prescriptions, and what these may do in their name: the same predicate as for any app.

Without a session there is only the way to the sign-in. Prescribing is for clinicians; what a patient may not write is
refused by the rules of the resources themselves too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.errors import forbidden, invalid
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.pages.authorize.flow import LOGIN
from healix_fhir.pages.form import check_csrf, read_fields
from healix_fhir.pages.site import Site
from smart_auth.access import AccessContext
from smart_auth.oauth.sessions import Session
from smart_auth.scope import parse

ADDRESS = "/account/prescriptions"
SCOPE = parse(
    "user/Patient.rs user/Practitioner.rs user/Medication.rs user/AllergyIntolerance.rs user/MedicationRequest.crus"
    " user/MedicationStatement.crus user/MedicationDispense.crs user/Encounter.rs user/Observation.rs"
    " user/Condition.rs user/DetectedIssue.rs user/RelatedPerson.rs"
)
"""What these pages do for an account, and what services that an administrator has set up may ask to be told."""

Handler = Callable[[Site, Request], Awaitable[Response]]
Fields = Mapping[str, list[str]]
"""What a form holds, each name with its values in order."""


class Caller(msgspec.Struct, frozen=True):
    """Who looks at a page: the session, and the access of these pages."""

    session: Session
    access: AccessContext

    @property
    def is_clinician(self) -> bool:
        """Whether it is one who prescribes."""
        return self.session.account.practitioner is not None

    @property
    def common(self) -> dict[str, Any]:
        """What every page shows."""
        account = self.session.account
        return {
            "username": account.username,
            "csrf": self.session.csrf,
            "role": account.role,
            "clinician": self.is_clinician,
        }


Show = Callable[[Site, Request, Caller], Awaitable[Response]]
Act = Callable[[Site, Request, Caller, Fields], Awaitable[Response]]


def showing(show: Show, *, clinicians: bool = False) -> Handler:
    """A page for patients and clinicians, or for clinicians alone."""

    async def handler(site: Site, request: Request) -> Response:
        caller = await _caller(site, request, clinicians=clinicians)
        return RedirectResponse(LOGIN, 303) if caller is None else await show(site, request, caller)

    return handler


def acting(act: Act, *, clinicians: bool = False) -> Handler:
    """A form of these pages."""

    async def handler(site: Site, request: Request) -> Response:
        fields: dict[str, list[str]] = {}
        for name, value in await read_fields(request):
            fields.setdefault(name, []).append(value)
        caller = await _caller(site, request, clinicians=clinicians)
        if caller is None:
            return RedirectResponse(LOGIN, 303)
        check_csrf(request, site.session_cookie, {"csrf": one(fields, "csrf")})
        return await act(site, request, caller, fields)

    return handler


def one(fields: Fields, name: str) -> str:
    """The first value of a field, without what is around it; empty when it was not sent."""
    return fields.get(name, [""])[0].strip()


def named(request: Request) -> str:
    """The id in an address. Raises Invalid for what is none."""
    id_ = str(request.path_params["id"])
    if not is_logical_id(id_):
        raise invalid("That is no prescription.")
    return id_


async def _caller(site: Site, request: Request, *, clinicians: bool) -> Caller | None:
    session = await site.session(request)
    if session is None:
        return None
    if session.account.role not in ("patient", "practitioner"):
        raise forbidden("These pages are for patients and clinicians.")
    if clinicians and session.account.practitioner is None:
        raise forbidden("This page is for clinicians.")
    access = await site.access(request, session)
    return Caller(session, msgspec.structs.replace(access, scopes=SCOPE))
