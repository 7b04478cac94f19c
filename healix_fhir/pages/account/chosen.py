"""Passwords that people choose, and the one that they have, checked off the event loop and within limits."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from starlette.requests import Request

from healix_fhir.kernel.database import atransaction, one
from healix_fhir.kernel.errors import HealixError, unauthenticated
from healix_fhir.pages.site import Site, origin
from smart_auth.account.password import WORD
from smart_auth.account.rules import check_password
from smart_auth.oauth.limits import LOGIN
from smart_auth.oauth.passwords import hash_password
from smart_auth.oauth.sessions import Session
from smart_auth.oauth.throttle import Hit, right
from smart_auth.store import find_account

WRONG = "The current password is not right."


async def new_hash(site: Site, password: str, about: Collection[str], counted: Hit | None = None) -> str:
    """The hash of a password that is to be set. Raises Invalid, after which `counted` is as if nothing was tried."""
    try:
        await site.verifier.run(check_password, password, about, site.password_length)
    except HealixError:
        if counted is not None:
            forgiven = dataclasses.replace(counted, known=())
            await atransaction(site.pool, lambda: one(right(forgiven)))
        raise
    return await site.verifier.run(hash_password, password)


async def current_hash(site: Site, request: Request, session: Session, password: str) -> str:
    """The hash of the password that a signed-in person has and has just shown. Raises Unauthenticated, Busy.

    Guesses are limited as those at the login are.
    """
    username, who = session.account.username, origin(request, session)
    counted = await site.throttle.hit(LOGIN, account=username, address=who.address)
    found = await atransaction(site.pool, lambda: find_account(username))
    if found is None or not await site.verifier.matches(password, found[1]):
        await site.denials.refused(who, WORD, action="U")
        raise unauthenticated(WRONG)
    await atransaction(site.pool, lambda: one(right(counted)))
    return found[1]
