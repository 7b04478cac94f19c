"""The consent page: what an app asks for, line by line, and the decision about it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.kernel.language.catalogue import marked
from healix_fhir.pages.authorize.context import complete
from healix_fhir.pages.authorize.flow import OVER, Going, answered, source, step
from healix_fhir.pages.form import check_csrf, read_fields
from healix_fhir.pages.people import one
from healix_fhir.pages.present import Person
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from healix_fhir.pages.style import style_address
from healix_fhir.pages.visits import one_visit
from healix_fhir.pages.words import choices
from smart_auth.denial import REFUSED
from smart_auth.oauth.authorize.answer import Refused
from smart_auth.oauth.authorize.consent import remember, remembered
from smart_auth.oauth.authorize.pending import finish
from smart_auth.oauth.authorize.request import SCOPES
from smart_auth.oauth.authorize.scopes import ENCOUNTER, chosen, needs_patient
from smart_auth.oauth.grant import Grant, issue_code
from smart_auth.oauth.own_viewer import is_own_viewer
from smart_auth.store import digest

FIELDS = 10 * SCOPES
"""Each scope may have finer ones beside it."""
NOTHING = marked("Nothing is ticked. Tick what the app may have, or press Deny.")


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
        whole = await complete(site, request, going)
        if isinstance(whole, Response):
            return whole
        going = whole
        granted = chosen(going.offered, ticked)
        return await _allow(site, request, going, granted) if granted else await _ask(site, request, going, NOTHING)

    return await step(site, request, single.get("request", ""), decide)


async def _onward(site: Site, request: Request, going: Going) -> Response:
    whole = await complete(site, request, going)
    if isinstance(whole, Response):
        return whole
    going = whole
    asked = going.pending.asked
    if is_own_viewer(going.client, asked.redirect_uri, site.root):
        return await _allow(site, request, going, going.words)
    if "consent" not in asked.prompt:
        username = going.session.account.username
        before = await atransaction(
            site.pool, lambda: remembered(username, going.client, asked.redirect_uri, going.offered)
        )
        if before is not None:
            return await _allow(site, request, going, chosen(going.offered, before.split()))
    if asked.silent:
        raise Refused("consent_required", "the person has to decide")
    return await _ask(site, request, going)


async def _ask(site: Site, request: Request, going: Going, error: str = "") -> Response:
    record_lines, other_lines = choices(going.offered)
    account = going.session.account
    whom: Person | None = None
    if going.about_patient and going.patient is not None:
        whom = await one(site, going.access, going.patient)
    return page(
        "consent.html",
        400 if error else 200,
        **going.shown(),
        record=record_lines,
        other=other_lines,
        patient=whom,
        visit=await one_visit(site, going.access, going.encounter) if going.encounter is not None else None,
        own=account.patient is not None and going.patient in (None, account.patient),
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
    return answered(going.client, going.pending.asked.destination.with_error(refused, site.root))


async def _allow(site: Site, request: Request, going: Going, granted: tuple[str, ...]) -> Response:
    grant = _grant(site, going, granted, digest(request.cookies[site.session_cookie]))
    who = _origin(request, going)

    def work() -> Work[str | None]:
        if not (yield from finish(going.pending)):
            return None
        yield remember(grant.username, grant.client, going.offered, grant.scope)
        return (yield from issue_code(grant, who))

    code = await atransaction(site.pool, work)
    if code is None:
        raise invalid(OVER)
    return answered(going.client, going.pending.asked.destination.with_code(code, site.root))


def _grant(site: Site, going: Going, granted: tuple[str, ...], session: bytes) -> Grant:
    asked, launched = going.pending.asked, going.launched
    in_context = needs_patient(granted)
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
        patient=going.patient if in_context else None,
        encounter=going.encounter if in_context and (launched is not None or ENCOUNTER in granted) else None,
        fhir_context=launched.fhir_context if launched is not None and in_context else (),
        intent=launched.intent if launched is not None else None,
        need_patient_banner=launched.need_patient_banner if launched is not None and in_context else None,
        smart_style_url=f"{site.root}{style_address()}",
        tenant=site.tenant or None,
    )


def _origin(request: Request, going: Going) -> Origin:
    asked = origin(request, going.session)
    return Origin(going.client.id, asked.account, asked.address, asked.request)
