"""What is done on the pages of who has access: invite, accept, decline, take back, end."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.care.circle.joining import join
from healix_fhir.care.circle.leaving import leave
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import forbidden
from healix_fhir.operation.circle.joining import OFFERING, may_offer, no_good
from healix_fhir.pages.circle.overview import address, shown
from healix_fhir.pages.circle.whose import LOGIN, Whose, whose
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.site import Site, origin
from smart_auth.account import care_invitation as invitations
from smart_auth.person import PROXY


async def _found(site: Site, request: Request) -> tuple[dict[str, str], Whose | None]:
    """The fields of a form of one of these pages, and whose it is. Raises Forbidden for a form of another page."""
    fields = await read_form(request)
    found = await whose(site, request, fields.get("patient", ""))
    if found is not None:
        check_csrf(request, site.session_cookie, fields)
    return fields, found


async def invite(site: Site, request: Request) -> Response:
    """POST /account/access/invite with `to`, a user name, or without for a code; `patient` where one acts for one."""
    fields, found = await _found(site, request)
    if found is None:
        return RedirectResponse(LOGIN, 303)
    to, who = fields.get("to", ""), origin(request, found.session)
    offering = msgspec.structs.replace(found.access, scopes=OFFERING)

    def made() -> Work[str | None]:
        username = found.session.account.username
        if found.practitioner is not None:
            return (yield from invitations.invite(who, username, practitioner=found.practitioner, invited=to))
        assert found.patient is not None
        if not (yield from may_offer(offering, found.patient.id)):
            raise forbidden("You cannot offer this record.")
        return (yield from invitations.invite(who, username, patient=found.patient.id, invited=to))

    code = await atransaction(site.pool, made)
    here = _own(found)
    return await shown(site, here, done="invited", code=code or "")


async def answer(site: Site, request: Request) -> Response:
    """POST /account/access/answer with `code`, or with `invitation` and `answer` (accept, decline)."""
    fields, found = await _found(site, request)
    if found is None:
        return RedirectResponse(LOGIN, 303)
    id_, code = fields.get("invitation", ""), fields.get("code", "").strip()
    username, clinical = found.session.account.username, found.practitioner is not None
    who, patient = origin(request, found.session), found.patient.id if found.patient is not None else ""
    if fields.get("answer") == "decline":
        declined = await atransaction(site.pool, lambda: invitations.decline(who, username, id_, clinical=clinical))
        if not declined:
            raise no_good()
        return await shown(site, _own(found), done="declined")
    bases, access = site.interactions.bases, msgspec.structs.replace(found.access, scopes=OFFERING)
    await atransaction(site.pool, lambda: join(access, bases, id_=id_, code=code, patient=patient))
    return await shown(site, _own(found), done="accepted")


async def withdraw(site: Site, request: Request) -> Response:
    """POST /account/access/withdraw with `invitation`: take back what one has sent."""
    fields, found = await _found(site, request)
    if found is None:
        return RedirectResponse(LOGIN, 303)
    id_, username, who = fields.get("invitation", ""), found.session.account.username, origin(request, found.session)
    await atransaction(site.pool, lambda: invitations.withdraw(who, username, id_))
    return RedirectResponse(address(_own(found)), 303)


async def end(site: Site, request: Request) -> Response:
    """POST /account/access/end with `patient`, and `who` where the patient ends it: a Practitioner's id or a proxy."""
    fields, found = await _found(site, request)
    if found is None:
        return RedirectResponse(LOGIN, 303)
    if found.patient is None:
        raise forbidden("Say whose record it is.")
    patient, who = found.patient.id, found.practitioner or fields.get("who", "")
    if who.startswith(f"{PROXY}/") and not found.own:
        raise forbidden("Who acts for a patient is changed by the patient and the clinic.")
    bases = site.interactions.bases
    ended = await atransaction(site.pool, lambda: leave(found.access, who, patient, bases))
    return await shown(site, _own(found), done="left" if ended.left else "ended" if ended.done else "nothing")


def _own(found: Whose) -> Whose:
    """The page on which people come to be: a clinician's is about themselves."""
    if found.practitioner is None:
        return found
    return Whose(found.session, found.access, None)
