"""Who has had to do with one's own record, in words: the audit trail as its patient reads it.

Also for those who act for patients. What one person did with one app on one day, in one way, is one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.interaction.trail.accounting import After, accesses
from healix_fhir.interaction.trail.render import Recorded
from healix_fhir.kernel.database import Statement, Work, atransaction
from healix_fhir.kernel.errors import forbidden, invalid
from healix_fhir.kernel.language.catalogue import say
from healix_fhir.pages.account.deeds import Line, lines
from healix_fhir.pages.people import resources
from healix_fhir.pages.present import name
from healix_fhir.pages.render import page
from healix_fhir.pages.site import CLIENT, Site
from smart_auth.access import AccessContext
from smart_auth.scope import parse

ADDRESS = "/account/looked"
LOGIN = "/account/login"
MOST = 500
"""Rows of the trail that one page sums up."""
LONGEST_NUMBER = 9
SCOPE = parse("user/AuditEvent.rs user/Practitioner.rs")
SERVER = frozenset(
    {
        "alerts",
        "brands",
        "definitions",
        "demo",
        "devices",
        "errands",
        "goals",
        "healix-break-glass",
        "healix-calendar",
        "healix-daily-summary",
        "healix-subscription",
        "imaging",
        "import",
        "operations",
        "prescriptions",
        "purge",
        "relabel",
        "reports",
        "retention",
        "sync",
    }
)
"""Under these names the server's own work stands in the trail."""


def own_apps() -> dict[str, str]:
    """What the server's own ways to its data are called."""
    return {
        CLIENT: say("these pages"),
        "healix-cli": say("The clinic's operator"),
        **dict.fromkeys(SERVER, say("This server")),
    }


async def show(site: Site, request: Request) -> Response:
    """GET /account/looked, with the moment `before` which it begins for what is older, and how much of it was `had`."""
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    if session.account.role != "patient":
        raise forbidden("This page is for patients and those who act for them.")
    after = _after(request)
    access = msgspec.structs.replace(await site.access(request, session), scopes=SCOPE)
    found = await atransaction(site.pool, lambda: accesses(access, after, MOST))
    apps = await atransaction(site.pool, lambda: _apps(found.rows))
    people = (await _people(site, access, found.rows)) | {session.account.username: say("You")}
    told = lines(found.rows, people, own_apps() | dict(apps))
    further = found.further and {"before": found.further.moment.isoformat(), "had": found.further.had}
    return page(
        "looked.html",
        username=session.account.username,
        csrf=session.csrf,
        days=[(day, list(of_day)) for day, of_day in groupby(told, _day)],
        next=f"{ADDRESS}?{urlencode(further)}" if further else None,
        first=after is None,
    )


def _day(line: Line) -> str:
    return line.last.strftime("%Y-%m-%d")


def _after(request: Request) -> After | None:
    before, had = request.query_params.get("before", ""), request.query_params.get("had", "0")
    if not before:
        return None
    try:
        moment = datetime.fromisoformat(before[:40])
    except ValueError as error:
        raise invalid("That is no time.") from error
    if not (had.isascii() and had.isdecimal() and len(had) <= LONGEST_NUMBER):
        raise invalid("That is no number.")
    return After(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC), int(had))


def _apps(rows: Iterable[Recorded]) -> Work[Mapping[str, str]]:
    """The names of apps by client_id."""
    clients = sorted({row.client for row in rows if row.client is not None})
    found: dict[str, str] = dict((yield Statement("SELECT id, name FROM client WHERE id = ANY(%s)", (clients,))))
    return found


async def _people(site: Site, access: AccessContext, rows: Iterable[Recorded]) -> dict[str, str]:
    """The names of clinicians by username."""
    linked = {row.account: row.linked or "" for row in rows if row.account is not None}
    who = {account: one.partition("/")[2] for account, one in linked.items() if one.startswith("Practitioner/")}
    if not who:
        return {}
    ids = ",".join(sorted(set(who.values())))
    found = await site.interactions.search(access, "Practitioner", [("_id", ids), ("_count", str(MOST))])
    names: dict[str, Any] = {one["id"]: name(one["name"]) for one in resources(found) if "name" in one}
    return {account: names[id_] for account, id_ in who.items() if id_ in names}
