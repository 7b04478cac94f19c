"""Upstreams: how far each is, what it did not take, and the choice of what becomes of that.

Of what is in conflict it is shown which resource and which elements differ, and not what is in them: administrators do
not read charts. The operator's `healix sync conflicts` shows both versions.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.care.sync import conflicts, standing, upstream
from healix_fhir.care.sync.conflicts import LISTED, Conflict
from healix_fhir.care.sync.standing import Standing
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.language.catalogue import Words
from healix_fhir.pages.admin.gate import at
from healix_fhir.pages.gate import Fields, one
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.administration import looking
from smart_auth.oauth.sessions import Session

SYNC = "sync"
STATES = Words(
    {
        "away": "away",
        "behind": "behind",
        "cannot be served": "cannot be served",
        "level": "level",
        "needs a decision": "needs a decision",
        "conflict": "conflict",
        "refused": "refused",
    }
)


async def listing(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/sync"""
    who = origin(request, session)
    upstreams, open_ = await atransaction(site.pool, lambda: _all(who))
    return page(
        "admin/sync.html",
        username=session.account.username,
        csrf=session.csrf,
        upstreams=[(each, at(SYNC, each.name, "retry")) for each in upstreams],
        conflicts=[(each, at(SYNC, each.upstream, "decide")) for each in open_],
        most=LISTED,
        states=STATES,
    )


async def retry(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/sync/NAME/retry"""
    del fields
    name, who = request.path_params["name"], origin(request, session)
    await atransaction(site.pool, lambda: upstream.retry(who, name))
    return RedirectResponse(at(SYNC), 303)


async def decide(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/sync/NAME/decide: `keep` of `resource`, as it was when the page showed its `version`."""
    name, who = request.path_params["name"], origin(request, session)
    type_name, _, id_ = one(fields, "resource").partition("/")
    keep, version = conflicts.chosen(one(fields, "keep"), one(fields, "version"))
    bases = (site.fhir_base,)
    await atransaction(
        site.pool,
        lambda: conflicts.resolve(who, name, type_name, id_, keep, bases, version=version),
    )
    return RedirectResponse(at(SYNC), 303)


def _all(who: Origin) -> Work[tuple[list[Standing], list[Conflict]]]:
    upstreams = yield from standing.standing()
    open_ = yield from conflicts.conflicts()
    yield looking.listed(who, "sync-upstream")
    return upstreams, open_
