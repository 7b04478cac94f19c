"""Who has access to a patient's record; and for clinicians, whom they care for and whom they have invited."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.care.circle.circle import Member, circle
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import forbidden
from healix_fhir.pages.circle.whose import ADDRESS, LOGIN, Whose, whose
from healix_fhir.pages.people import People, people, resources
from healix_fhir.pages.present import name
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from healix_fhir.pages.words import choices
from smart_auth.account.care_invitation import LIFE, Invitation, received, sent
from smart_auth.oauth.apps import LetIn, let_in
from smart_auth.person import PROXY

DAYS = LIFE // 86400
NAMED = 100
"""People whose names one page looks up."""


class State(msgspec.Struct, frozen=True):
    """What one page tells: who has access, apps that do, and the invitations of the account."""

    members: list[Member] = []
    apps: list[LetIn] = []
    sent: list[Invitation] = []
    received: list[Invitation] = []


async def show(site: Site, request: Request) -> Response:
    """GET /account/access; `patient` where one acts for somebody, `cursor` for further patients of a clinician."""
    found = await whose(site, request, request.query_params.get("patient", ""))
    if found is None:
        return RedirectResponse(LOGIN, 303)
    return await shown(site, found, cursor=request.query_params.get("cursor"))


async def shown(site: Site, found: Whose, *, cursor: str | None = None, done: str = "", code: str = "") -> Response:
    """The page; `done` names what was done just now, `code` is one that was made."""
    clinical = found.practitioner is not None
    if clinical and found.patient is not None:
        raise forbidden("This page is for the patient.")
    state = await atransaction(site.pool, lambda: _state(found))
    names = await _names(site, found, state)
    mine = await people(site, found.access, "", cursor) if clinical else People([], None)
    return page(
        "care.html" if clinical else "access.html",
        username=found.session.account.username,
        csrf=found.session.csrf,
        patient=found.patient,
        own=found.own,
        here=address(found),
        state=state,
        names=names,
        apps=[(app, list(chain(*choices(app.scopes)))) for app in state.apps],
        patients=mine.persons,
        next=f"{ADDRESS}?{urlencode({'cursor': mine.next})}" if mine.next else None,
        days=DAYS,
        done=done,
        code=code,
    )


def address(found: Whose) -> str:
    """Where this page is."""
    if found.patient is None or found.own:
        return ADDRESS
    return f"{ADDRESS}?{urlencode({'patient': found.patient.id})}"


def _state(found: Whose) -> Work[State]:
    username, clinical = found.session.account.username, found.practitioner is not None
    return State(
        (yield from circle(found.patient.id)) if found.patient is not None else [],
        (yield from let_in(username)) if found.own else [],
        (yield from sent(username)),
        (yield from received(username, clinical=clinical)),
    )


async def _names(site: Site, found: Whose, state: State) -> dict[str, str]:
    """The names of those whom the page tells of, by what stands for them in it."""
    acting = [one.who.partition("/")[2] for one in state.members if one.acts]
    clinicians = [one.who for one in state.members if not one.acts]
    clinicians += [one.practitioner for one in state.received if one.practitioner is not None]
    return {
        **dict(await _named(site, found, "Practitioner", clinicians)),
        **{f"{PROXY}/{id_}": shown_as for id_, shown_as in await _named(site, found, PROXY, acting)},
    }


async def _named(site: Site, found: Whose, kind: str, ids: Iterable[str]) -> list[tuple[str, str]]:
    wanted = sorted(set(ids))[:NAMED]
    if not wanted:
        return []
    params = [("_id", ",".join(wanted)), ("_count", str(NAMED))]
    answer: Any = await site.interactions.search(found.access, kind, params)
    return [(one["id"], name(one["name"])) for one in resources(answer) if "name" in one]
