"""What comes after a login: on to where the person wanted to go.

Every address here is made by this server; a browser only names an app's request or one of the pages in `AFTER`.
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from healix_fhir.pages.authorize.flow import LOGIN, ONWARD, find, source
from healix_fhir.pages.cookies import drop, keep
from healix_fhir.pages.site import Site
from smart_auth.oauth.factors.pending import Goal
from smart_auth.oauth.sessions import LONGEST

HOME = "/account/"
SECOND = f"{LOGIN}/second"
PASSKEY = f"{LOGIN}/passkey"
SETUP = f"{LOGIN}/setup"
SECURITY = "/account/security"
AFTER = {"": HOME, "security": SECURITY, "admin": "/admin"}


def onward(goal: Goal) -> str:
    """Where a person goes on."""
    return f"{ONWARD}?{urlencode({'request': goal.request})}" if goal.request else AFTER.get(goal.after, HOME)


async def sources(site: Site, goal: Goal) -> tuple[str, ...]:
    """Where the answer to a form may redirect to beside this server: to the app that waits. Raises Invalid."""
    if not goal.request:
        return ()
    pending, _ = await find(site, goal.request)
    return (source(pending.asked.redirect_uri),)


def entered(site: Site, secret: str, goal: Goal) -> Response:
    """Let the person in and on."""
    answer = RedirectResponse(onward(goal), 303)
    begin(site, answer, secret)
    return answer


def begin(site: Site, answer: Response, secret: str) -> None:
    """Give the browser its session instead of what it needed for the login."""
    keep(site, answer, site.session_cookie, secret, LONGEST)
    drop(site, answer, site.login_cookie)
    drop(site, answer, site.pending_cookie)
