"""Who uses the pages of images that are read and reported: the same predicate as for any app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.kernel.errors import forbidden, not_found
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.pages.gate import Gate, Handler
from healix_fhir.pages.site import Site
from healix_fhir.pages.whose import asking
from smart_auth.access import AccessContext
from smart_auth.oauth.sessions import Session
from smart_auth.scope import parse

READING, RESULTS, PICTURE, ORDERS = "/account/reading", "/account/results", "/account/picture", "/account/orders"
SCOPE = parse(
    "user/Task.rus user/DiagnosticReport.crus user/ImagingStudy.rs user/ServiceRequest.crus user/Patient.rs"
    " user/Practitioner.rs user/Provenance.rs user/Communication.rs user/Binary.r"
)
LARGEST = 256 * 1024
"""Bytes of a form with a report: its text is longer than other forms', and thrice as long on its way."""

Json = dict[str, Any]
Fields = Mapping[str, str]
"""What a form holds: of each name the first value."""


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


def named(request: Request) -> str:
    """The id in an address. Raises NotFound for what is none."""
    id_ = str(request.path_params["id"])
    if not is_logical_id(id_):
        raise not_found("There is no such page.")
    return id_


async def _caller(site: Site, request: Request) -> Caller | None:
    found = await asking(site, request, SCOPE)
    return None if found is None else Caller(*found)


async def _clinician(site: Site, request: Request) -> Caller | None:
    caller = await _caller(site, request)
    if caller is not None and not caller.own:
        raise forbidden("This page is for clinicians.")
    return caller


PEOPLE = Gate(_caller)
"""Before pages for patients and clinicians."""
CLINICIANS = Gate(_clinician, LARGEST)
"""Before pages for clinicians alone."""


def acting(act: Callable[[Site, Request, Caller, Fields], Awaitable[Response]]) -> Handler:
    """A form of clinicians, whose fields are texts."""

    async def texts(site: Site, request: Request, caller: Caller, fields: Mapping[str, list[str]]) -> Response:
        return await act(site, request, caller, {name: values[0] for name, values in fields.items()})

    return CLINICIANS.acting(texts)
