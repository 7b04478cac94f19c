"""Who may use the administrators' pages: one place that every one of them goes through.

Without a session there is only the way to the sign-in; other roles are refused, and the refusal is audited; a form that
does not come from these pages does nothing. What gives power away (`Dangerous`) takes a login that is not long ago: a
browser that was left open, or whose cookie was stolen, makes no administrators.

Spec: OWASP ASVS 5.0 7.5.3
"""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import quote

from starlette.requests import Request

from healix_fhir.kernel.errors import forbidden
from healix_fhir.pages.authorize.flow import LOGIN
from healix_fhir.pages.gate import Act, Fields, Gate, Handler, one
from healix_fhir.pages.site import Site
from smart_auth.oauth.sessions import Session

ADMIN = "/admin"
REFUSED = "This page is for administrators."

Dangerous = Callable[[Fields], bool]
"""Whether what a form asks for takes a fresh login."""

FRESH = 15 * 60
"""Seconds after a login in which dangerous things may be done."""
AGAIN = f"{LOGIN}?after=admin"


def always(fields: Fields) -> bool:
    """It is dangerous whatever the form holds."""
    del fields
    return True


def makes_administrator(fields: Fields) -> bool:
    """The form gives an account the role of an administrator."""
    return one(fields, "role") == "admin"


def opens_all(fields: Fields) -> bool:
    """The form lets an app ask for access to everybody's records."""
    return any(word.startswith("system/") for word in one(fields, "scope").split())


def is_fresh(session: Session) -> bool:
    """Whether the person signed in a short time ago."""
    return session.since > time.time() - FRESH


def at(*parts: str) -> str:
    """An address of these pages."""
    return "/".join((ADMIN, *(quote(part, safe="") for part in parts)))


async def _administrator(site: Site, request: Request) -> Session | None:
    session = await site.session(request)
    if session is not None and session.account.role != "admin":
        raise forbidden(REFUSED)
    return session


GATE = Gate(_administrator)


def acting(act: Act[Session], dangerous: Dangerous | None = None) -> Handler:
    """A form that administrators may send from one of these pages; a `dangerous` one only after a fresh login."""

    def first(session: Session, fields: Fields) -> str | None:
        return AGAIN if dangerous is not None and dangerous(fields) and not is_fresh(session) else None

    return GATE.acting(act, first)
