"""The Subscriptions: how each goes, why it fails, and a button that starts it again."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.pages.admin.gate import at
from healix_fhir.pages.gate import Fields
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from healix_fhir.subscription import overview
from healix_fhir.subscription.overview import LISTED, Line
from smart_auth.administration import looking
from smart_auth.oauth.sessions import Session

SUBSCRIPTIONS = "subscriptions"


async def listing(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/subscriptions"""
    who = origin(request, session)
    found = await atransaction(site.pool, lambda: _all(who))
    return page(
        "admin/subscriptions.html",
        username=session.account.username,
        csrf=session.csrf,
        subscriptions=[(one, at(SUBSCRIPTIONS, one.id, "restart")) for one in found],
        most=LISTED,
    )


async def restart(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/subscriptions/ID/restart"""
    del fields
    id_, who = request.path_params["id"], origin(request, session)
    await atransaction(site.pool, lambda: overview.restart(id_, who, (site.fhir_base,)))
    return RedirectResponse(at(SUBSCRIPTIONS), 303)


def _all(who: Origin) -> Work[list[Line]]:
    found = yield from overview.listing()
    yield looking.listed(who, "subscription")
    return found
