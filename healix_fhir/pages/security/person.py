"""Who changes factors: somebody whose login is not long ago, or whose login waits for a first factor.

The same pages serve both, below `SECURITY` and below `SETUP`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import atransaction
from healix_fhir.pages.authorize.flow import LOGIN
from healix_fhir.pages.entering import SECOND, SECURITY, SETUP, onward
from healix_fhir.pages.second_step import asked
from healix_fhir.pages.site import Site, origin
from smart_auth.oauth.factors.held import held
from smart_auth.oauth.factors.pending import Goal, Waiting
from smart_auth.oauth.sessions import Session, csrf_of
from smart_auth.store import Account

FRESH = 10 * 60
"""Seconds after a login in which its person may change factors."""
AGAIN = f"{LOGIN}?after=security"


@dataclass(frozen=True, slots=True)
class Person:
    """Whose factors change. `cookie` holds `secret`, to which forms are bound; `place` is what the pages are below.

    `waiting` is the login that goes on with the first factor.
    """

    account: Account
    cookie: str
    secret: str
    place: str
    origin: Origin
    waiting: Waiting | None = None

    @property
    def username(self) -> str:
        """The account's name."""
        return self.account.username

    @property
    def csrf(self) -> str:
        """What forms of this person carry."""
        return csrf_of(self.secret)

    @property
    def onward(self) -> str:
        """Where it goes on when all is done."""
        return onward(self.waiting.goal if self.waiting is not None else Goal(after="security"))


def fresh(session: Session) -> bool:
    """Whether the person signed in a short time ago."""
    return session.since > time.time() - FRESH


async def person(site: Site, request: Request) -> Person | Response:
    """The person of a request, or the way to where they first have to show who they are."""
    if request.url.path.startswith(SETUP):
        return await _at_login(site, request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    if not fresh(session):
        return RedirectResponse(AGAIN, 303)
    secret = request.cookies[site.session_cookie]
    return Person(session.account, site.session_cookie, secret, SECURITY, origin(request, session))


async def _at_login(site: Site, request: Request) -> Person | Response:
    waiting = await site.waiting(request)
    if waiting is None:
        return RedirectResponse(LOGIN, 303)
    account = waiting.account
    if (await atransaction(site.pool, lambda: held(account.username))).any:
        return RedirectResponse(SECOND, 303)
    secret = request.cookies[site.pending_cookie]
    return Person(account, site.pending_cookie, secret, SETUP, asked(request, waiting), waiting)
