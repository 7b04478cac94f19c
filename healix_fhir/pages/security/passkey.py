"""Passkeys: a new one, and the list of those there are.

Spec: WebAuthn Level 2, w3.org/TR/webauthn-2/#sctn-registering-a-new-credential
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.render import page
from healix_fhir.pages.security.codes import after_adding
from healix_fhir.pages.security.person import Person, person
from healix_fhir.pages.site import Site
from smart_auth.oauth.factors import passkeys
from smart_auth.oauth.factors.changing import Added, Change, added, added_at_login, alone, removed, renamed
from smart_auth.oauth.factors.methods import HARDWARE_KEY, SOFTWARE_KEY
from smart_auth.oauth.factors.party import ODD, NewPasskey
from smart_auth.oauth.factors.passkeys import LONGEST_NAME

PAGE = "passkey"
NO_NAME = "Passkeys need a server with a name and TLS. Use an authenticator app."
NONE_SUCH = "There is no such passkey."


async def show(site: Site, request: Request) -> Response:
    """GET …/passkey: the page whose script asks for a new one."""
    who = await person(site, request)
    return who if isinstance(who, Response) else await _form(site, who)


async def submit(site: Site, request: Request) -> Response:
    """POST …/passkey with `credential`, `name` and the hidden `csrf`."""
    fields = await read_form(request)
    who = await person(site, request)
    if isinstance(who, Response):
        return who
    check_csrf(request, who.cookie, fields)
    waiting = await atransaction(site.pool, lambda: passkeys.take_challenge(who.secret))
    try:
        if waiting is None or waiting.handle is None:
            raise invalid(ODD)
        made, handle = site.party.made(fields.get("credential", ""), waiting.value), bytes(waiting.handle)
        earlier = request.cookies.get(site.session_cookie)
        done = await atransaction(site.pool, lambda: _added(site, who, handle, fields.get("name", ""), made, earlier))
    except HealixError as error:
        if error.category is not Category.INVALID:
            raise
        return await _form(site, who, error.message)
    return after_adding(site, who, done)


async def rename(site: Site, request: Request) -> Response:
    """POST /account/security/passkey/rename with `passkey`, `name` and the hidden `csrf`."""
    fields = await read_form(request)
    who = await person(site, request)
    if isinstance(who, Response):
        return who
    check_csrf(request, who.cookie, fields)
    id_, name = _id(fields), fields.get("name", "")

    def work() -> Work[None]:
        if not (yield from passkeys.rename(who.username, id_, name)):
            raise invalid(NONE_SUCH)
        yield renamed(_what(name), who.origin)

    await atransaction(site.pool, work)
    return RedirectResponse(who.place, 303)


async def remove(site: Site, request: Request) -> Response:
    """POST /account/security/passkey/remove with `passkey` and the hidden `csrf`."""
    fields = await read_form(request)
    who = await person(site, request)
    if isinstance(who, Response):
        return who
    check_csrf(request, who.cookie, fields)
    id_, required = _id(fields), who.account.role in site.two_factors_of

    def work() -> Work[None]:
        name = yield from passkeys.remove(who.username, id_)
        if name is None:
            raise invalid(NONE_SUCH)
        yield from removed(_change(site, who, name), who.secret, required=required)

    await atransaction(site.pool, work)
    return RedirectResponse(who.place, 303)


def _added(site: Site, who: Person, handle: bytes, name: str, made: NewPasskey, earlier: str | None) -> Work[Added]:
    if who.waiting is not None and not (yield from alone(who.username)):
        raise invalid(ODD)
    yield from passkeys.add(who.username, handle, name, made)
    change, methods = _change(site, who, name), (SOFTWARE_KEY if made.synced else HARDWARE_KEY,)
    if who.waiting is None:
        return (yield from added(change, methods, who.secret))
    return (yield from added_at_login(change, who.waiting, methods, who.secret, earlier))


def _change(site: Site, who: Person, name: str) -> Change:
    return Change(site.home, who.username, _what(name), "A passkey", who.origin)


def _what(name: str) -> str:
    return f"passkey {passkeys.named(name)}"


def _id(fields: dict[str, str]) -> bytes:
    try:
        return urlsafe_b64decode(fields.get("passkey", "").encode("ascii", "replace"))
    except binascii.Error as error:
        raise invalid(NONE_SUCH) from error


async def _form(site: Site, who: Person, error: str = "") -> Response:
    if not site.party.usable:
        raise invalid(NO_NAME)
    options = await atransaction(site.pool, lambda: passkeys.begin_adding(site.party, who.username, who.secret))
    return page(
        "passkey.html",
        400 if error else 200,
        scripts=True,
        username=who.username,
        csrf=who.csrf,
        place=who.place,
        options=options,
        longest=LONGEST_NAME,
        error=error,
    )
