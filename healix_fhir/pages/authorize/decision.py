"""The consent page: what an app asks for, line by line, and the decision about it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.pages.authorize import patient as picker
from healix_fhir.pages.authorize.flow import ONWARD, OVER, Going, back_to_app, may_see, source, step
from healix_fhir.pages.form import check_csrf, read_fields
from healix_fhir.pages.people import one
from healix_fhir.pages.present import Person
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from healix_fhir.pages.words import choices
from smart_auth.denials import REFUSED
from smart_auth.oauth.authorize.answer import Refused
from smart_auth.oauth.authorize.consent import remember, remembered
from smart_auth.oauth.authorize.pending import finish
from smart_auth.oauth.authorize.request import SCOPES
from smart_auth.oauth.authorize.scopes import chosen, needs_patient
from smart_auth.oauth.grant import Grant, issue_code
from smart_auth.oauth.own_viewer import is_own_viewer
from smart_auth.store import digest

FIELDS = 10 * SCOPES
"""Each scope may have finer ones beside it."""
NOTHING = "Nothing is ticked. Tick what the app may have, or press Deny."


async def onward(site: Site, request: Request) -> Response:
    """GET /account/authorize: whatever the request named `request` waits for."""
    return await step(site, request, request.query_params.get("request", ""), _onward)


async def submit(site: Site, request: Request) -> Response:
    """POST /account/authorize/decision with `decision`, each ticked `scope`, `request` and the hidden `csrf`."""
    fields = await read_fields(request, FIELDS)
    single = dict(reversed(fields))
    check_csrf(request, site.session_cookie, single)
    ticked = {value for name, value in fields if name == "scope"}

    async def decide(site: Site, request: Request, going: Going) -> Response:
        if single.get("decision") == "deny":
            return await _deny(site, request, going)
        if single.get("decision") != "allow":
            raise invalid("That is no decision.")
        waiting = await _without_patient(site, request, going)
        if waiting is not None:
            return waiting
        granted = chosen(going.words, ticked)
        return await _allow(site, request, going, granted) if granted else await _ask(site, request, going, NOTHING)

    return await step(site, request, single.get("request", ""), decide)


async def _onward(site: Site, request: Request, going: Going) -> Response:
    waiting = await _without_patient(site, request, going)
    if waiting is not None:
        return waiting
    asked = going.pending.asked
    if is_own_viewer(going.client, asked.redirect_uri, site.root):
        return await _allow(site, request, going, going.words)
    if "consent" not in asked.prompt:
        username = going.session.account.username
        before = await atransaction(
            site.pool, lambda: remembered(username, going.client, asked.redirect_uri, going.words)
        )
        if before is not None:
            return await _allow(site, request, going, chosen(going.words, before.split()))
    if asked.silent:
        raise Refused("consent_required", "the person has to decide")
    return await _ask(site, request, going)


async def _without_patient(site: Site, request: Request, going: Going) -> Response | None:
    """The page that asks for the patient, where one is needed and none is known that the account sees."""
    account, launched = going.session.account, going.pending.launched
    if not going.about_patient or (account.patient is not None and launched is None):
        return None
    if going.patient is None:
        return await picker.show(site, request, going)
    access = await site.access(request, going.session)
    if await may_see(site, access, going.patient, launched.encounter if launched is not None else None):
        return None
    if launched is not None:
        raise Refused("access_denied", "the account does not see what the app was started for")
    return await picker.show(site, request, going)


async def _ask(site: Site, request: Request, going: Going, error: str = "") -> Response:
    record_lines, other_lines = choices(going.words)
    whom: Person | None = None
    if going.about_patient and going.patient is not None:
        whom = await one(site, await site.access(request, going.session), going.patient)
    return page(
        "consent.html",
        400 if error else 200,
        form_action=(source(going.pending.asked.redirect_uri),),
        request=going.pending.id,
        onward=ONWARD,
        app=going.client.name,
        username=going.session.account.username,
        csrf=going.session.csrf,
        record=record_lines,
        other=other_lines,
        patient=whom,
        own=going.session.account.patient is not None,
        goes_to=source(going.pending.asked.redirect_uri),
        error=error,
    )


async def _deny(site: Site, request: Request, going: Going) -> Response:
    who = _origin(request, going)

    def work() -> Work[bool]:
        waited = yield from finish(going.pending)
        if waited:
            yield record(
                [AuditRow(who, "E", "authorize", REFUSED, patient=going.patient, query="denied by the person")]
            )
        return waited

    if not await atransaction(site.pool, work):
        raise invalid(OVER)
    refused = Refused("access_denied", "the person denied it")
    return back_to_app(going.pending.asked.destination.with_error(refused, site.root))


async def _allow(site: Site, request: Request, going: Going, granted: tuple[str, ...]) -> Response:
    grant = _grant(going, granted, digest(request.cookies[site.session_cookie]))
    who = _origin(request, going)

    def work() -> Work[str | None]:
        if not (yield from finish(going.pending)):
            return None
        yield remember(grant.username, grant.client, going.words, grant.scope)
        return (yield from issue_code(grant, who))

    code = await atransaction(site.pool, work)
    if code is None:
        raise invalid(OVER)
    return back_to_app(going.pending.asked.destination.with_code(code, site.root))


def _grant(going: Going, granted: tuple[str, ...], session: bytes) -> Grant:
    asked, launched = going.pending.asked, going.pending.launched
    in_launch = launched is not None and needs_patient(granted)
    return Grant(
        client=going.client.id,
        username=going.session.account.username,
        scope=" ".join(granted),
        redirect_uri=asked.redirect_uri,
        code_challenge=asked.code_challenge,
        auth_time=int(going.session.since),
        methods=going.session.methods,
        session=session,
        nonce=asked.nonce,
        patient=going.patient if needs_patient(granted) else None,
        encounter=launched.encounter if launched is not None and in_launch else None,
        intent=launched.intent if launched is not None else None,
        need_patient_banner=launched.need_patient_banner if launched is not None and in_launch else None,
    )


def _origin(request: Request, going: Going) -> Origin:
    asked = origin(request, going.session)
    return Origin(going.client.id, asked.account, asked.address, asked.request)
