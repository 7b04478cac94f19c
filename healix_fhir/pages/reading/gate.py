"""Who uses the pages of images that are read and reported: the same predicate as for any app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.errors import forbidden, not_found
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.pages.form import check_csrf, read_fields
from healix_fhir.pages.site import Site
from healix_fhir.pages.whose import LOGIN, asking
from smart_auth.access import AccessContext
from smart_auth.oauth.sessions import Session
from smart_auth.scope import parse

READING, RESULTS, PICTURE = "/account/reading", "/account/results", "/account/picture"
SCOPE = parse(
    "user/Task.rus user/DiagnosticReport.crus user/ImagingStudy.rs user/ServiceRequest.rs user/Patient.rs"
    " user/Practitioner.rs user/Provenance.rs user/Communication.rs user/Binary.r"
)
LARGEST = 256 * 1024
"""Bytes of a form with a report: its text is longer than other forms', and thrice as long on its way."""

Json = dict[str, Any]
Handler = Callable[[Site, Request], Awaitable[Response]]
Fields = Mapping[str, str]


class Caller(msgspec.Struct, frozen=True):
    """Who looks at a page: the session, and the access of these pages."""

    session: Session
    access: AccessContext

    @property
    def own(self) -> str:
        """The Practitioner that the account is, as `Practitioner/id`; empty for patients."""
        id_ = self.session.account.practitioner
        return f"Practitioner/{id_}" if id_ is not None else ""

    @property
    def common(self) -> dict[str, Any]:
        """What every page shows."""
        return {"username": self.session.account.username, "csrf": self.session.csrf, "clinical": bool(self.own)}


Show = Callable[[Site, Request, Caller], Awaitable[Response]]
Act = Callable[[Site, Request, Caller, Fields], Awaitable[Response]]


def showing(show: Show, *, clinicians: bool = True) -> Handler:
    """A page."""

    async def handler(site: Site, request: Request) -> Response:
        caller = await _caller(site, request, clinicians=clinicians)
        return RedirectResponse(LOGIN, 303) if caller is None else await show(site, request, caller)

    return handler


def acting(act: Act) -> Handler:
    """A form of clinicians."""

    async def handler(site: Site, request: Request) -> Response:
        fields = dict(reversed(await read_fields(request, largest=LARGEST)))
        caller = await _caller(site, request, clinicians=True)
        if caller is None:
            return RedirectResponse(LOGIN, 303)
        check_csrf(request, site.session_cookie, fields)
        return await act(site, request, caller, fields)

    return handler


def named(request: Request) -> str:
    """The id in an address. Raises NotFound for what is none."""
    id_ = str(request.path_params["id"])
    if not is_logical_id(id_):
        raise not_found("There is no such page.")
    return id_


async def _caller(site: Site, request: Request, *, clinicians: bool) -> Caller | None:
    found = await asking(site, request, SCOPE)
    if found is None:
        return None
    if clinicians and found[0].account.practitioner is None:
        raise forbidden("This page is for clinicians.")
    return Caller(*found)
