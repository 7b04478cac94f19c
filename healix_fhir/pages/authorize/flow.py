"""How far an authorization request got, and what comes next: sign in, choose what it is about, decide, go back.

Every page of the flow, shown or sent, comes through `step`, so that no step can be left out.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.definitions import TYPES
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from healix_fhir.search.granular import ScopeQueries
from smart_auth.access import AccessContext
from smart_auth.oauth.authorize.answer import Answer, Refused
from smart_auth.oauth.authorize.pending import Pending, claim, find_pending, finish
from smart_auth.oauth.authorize.scopes import ENCOUNTER, grantable, needs_patient
from smart_auth.oauth.clients import Client, find_client
from smart_auth.oauth.factors.methods import SEVERAL, wants_two
from smart_auth.oauth.launch import Launched
from smart_auth.oauth.sessions import Session

ONWARD = "/account/authorize"
LOGIN = "/account/login"
OVER = "This request of an app is over. Go back to the app and start again."
SOURCE = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?|[a-z][a-z0-9+.-]*:")
"""Of a Content-Security-Policy: an origin or a scheme; nothing that could add to the policy."""


@dataclass(frozen=True, slots=True)
class Going:
    """A request in the hands of the account of `session`, and the scopes that it can grant."""

    pending: Pending
    client: Client
    session: Session
    access: AccessContext
    words: tuple[str, ...]

    @property
    def launched(self) -> Launched | None:
        """The context that the app was started with from within Healix."""
        return self.pending.launched

    @property
    def about_patient(self) -> bool:
        """Whether a patient has to be known."""
        return self.launched is not None or needs_patient(self.words)

    @property
    def about_encounter(self) -> bool:
        """Whether a visit has to be chosen, or that none is meant."""
        return self.launched is None and ENCOUNTER in self.words

    @property
    def patient(self) -> str | None:
        """The patient that was chosen or launched with."""
        return self.pending.patient

    @property
    def encounter(self) -> str | None:
        """The visit that was chosen or launched with."""
        return (self.launched.encounter if self.launched is not None else self.pending.encounter) or None

    @property
    def offered(self) -> tuple[str, ...]:
        """The scopes that the person is asked about: no visit is promised where none is known."""
        return tuple(word for word in self.words if word != ENCOUNTER or self.encounter is not None)

    def shown(self) -> dict[str, Any]:
        """What each page of the flow says and carries."""
        return {
            "form_action": (source(self.pending.asked.redirect_uri),),
            "request": self.pending.id,
            "onward": ONWARD,
            "app": self.client.name,
            "vouched": self.client.vouched,
            "username": self.session.account.username,
            "csrf": self.session.csrf,
        }


Step = Callable[[Site, Request, Going], Awaitable[Response]]


async def step(site: Site, request: Request, id_: str, take: Step) -> Response:
    """`take` the step of the request named `id_`, once its person is signed in; refusals go back to the app."""
    pending, client = await find(site, id_)
    try:
        going = await _signed_in(site, request, pending, client)
        if going is None:
            return RedirectResponse(f"{LOGIN}?{urlencode({'request': id_})}", 303)
        return await take(site, request, going)
    except Refused as refused:
        if not await atransaction(site.pool, lambda: finish(pending)):
            raise invalid(OVER) from refused
        here = origin(request)
        who = Origin(client.id, pending.username, here.address, here.request)
        await site.denials.refused(who, "authorize", query=f"{refused.error}: {refused.description}")
        return answered(client, pending.asked.destination.with_error(refused, site.root))


async def find(site: Site, id_: str) -> tuple[Pending, Client]:
    """A request that waits, and the app that made it. Raises Invalid."""
    found = await atransaction(site.pool, lambda: _find(id_))
    if found is None:
        raise invalid(OVER)
    return found


def back_to_app(address: str) -> Response:
    """The redirect to the app; nothing of this page's address goes with it, and nothing is kept."""
    return RedirectResponse(address, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def answered(client: Client, answer: Answer) -> Response:
    """The answer on its way to the app: a redirect, or a form that the person's browser sends."""
    if not answer.goal.by_form:
        return back_to_app(answer.address)
    uri = answer.goal.redirect_uri
    return page(
        "form_post.html",
        app=client.name,
        goes_to=uri,
        answer=answer.values,
        form_action=(source(uri),),
        scripts=True,
    )


def source(uri: str) -> str:
    """The Content-Security-Policy source that lets a form's answer redirect to `uri`."""
    parts = urlsplit(uri)
    origin_ = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
    return origin_ if SOURCE.fullmatch(origin_) else f"{parts.scheme}:"


async def _signed_in(site: Site, request: Request, pending: Pending, client: Client) -> Going | None:
    """The request with its person; None when somebody has to sign in first. Raises Refused."""
    session = await site.session(request)
    if session is not None and _somebody_else(session, pending) and session.since >= pending.asked_at:
        raise Refused("login_required", "another person signed in than the one whom the app means")
    if session is None or _too_old(session, pending) or _too_weak(session, pending) or _somebody_else(session, pending):
        if pending.asked.silent:
            raise Refused("login_required", "somebody has to sign in")
        return None
    account = session.account
    mine = await atransaction(site.pool, lambda: claim(pending, account.username))
    launched = mine.launched is not None
    queries = ScopeQueries(site.interactions.bases)
    words = grantable(pending.asked.scope, client.scope, account.role, TYPES, queries, launched=launched)
    if not words:
        raise Refused("invalid_scope", "the account can grant none of the scopes to this app")
    return Going(mine, client, session, await site.access(request, session), words)


def _somebody_else(session: Session, pending: Pending) -> bool:
    """Whether the app means another person. Spec: OpenID Connect Core 3.1.2.1 (id_token_hint)"""
    return pending.asked.hinted not in (None, session.subject)


def _too_weak(session: Session, pending: Pending) -> bool:
    """Whether the app wants two factors, and one was shown. Spec: OpenID Connect Core 3.1.2.1 (acr_values); RFC 9470"""
    return wants_two(pending.asked.acr_values) and SEVERAL not in session.methods


def _too_old(session: Session, pending: Pending) -> bool:
    """Whether the app wants a newer login. Spec: OpenID Connect Core 3.1.2.1, prompt and max_age"""
    asked = pending.asked
    anew = "login" in asked.prompt or "select_account" in asked.prompt
    longest = 0 if anew else asked.max_age
    return longest is not None and pending.asked_at - session.since > longest


def _find(id_: str) -> Work[tuple[Pending, Client] | None]:
    pending = yield from find_pending(id_)
    client = (yield from find_client(pending.asked.client)) if pending is not None else None
    return (pending, client) if pending is not None and client is not None else None
