"""The devices that may send readings: whose they are, since when, and a button that ends it."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.operation.pairing import part
from healix_fhir.pages.admin.gate import at
from healix_fhir.pages.gate import Fields
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.access import AccessContext
from smart_auth.administration.devices import end_access, find_devices
from smart_auth.oauth.sessions import Session
from smart_auth.scope import parse

DEVICES = "devices"
SCOPE = parse("system/Device.ru")
WITHOUT_DEVICE = (Category.NOT_FOUND, Category.GONE, Category.UNPROCESSABLE)
"""Refusals of a Device that is no more, or has no patient any more: its access ends all the same."""


async def listing(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/devices, with `q` for the id of a device or patient, and `after` for a further page."""
    asked = request.query_params.get("q", "").strip()[:72].removeprefix("Patient/").removeprefix("Device/")
    after = request.query_params.get("after")
    who = origin(request, session)
    found = await atransaction(site.pool, lambda: find_devices(asked, after, who))
    onward = f"{at(DEVICES)}?{urlencode({'q': asked, 'after': found.next})}" if found.next else None
    return page(
        "admin/devices.html",
        username=session.account.username,
        csrf=session.csrf,
        lines=[(line, at(DEVICES, line.id, "end")) for line in found.lines],
        asked=asked,
        next=onward,
        first=after is None,
    )


async def end(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/devices/ID/end: its token is worthless at once, and the Device inactive."""
    del fields
    device, who = request.path_params["id"], origin(request, session)
    await atransaction(site.pool, lambda: end_access(device, who))
    try:
        await part(site.interactions, AccessContext(SCOPE, who), device)
    except HealixError as error:
        if error.category not in WITHOUT_DEVICE:
            raise
    return RedirectResponse(at(DEVICES), 303)
