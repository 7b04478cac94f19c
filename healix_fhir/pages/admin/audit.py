"""The audit trail by time, person, patient, app, action and outcome: who did what, and nothing of what was in it.

It is the search of AuditEvents that apps have. What a search asked for, and the notes of other events, may tell of a
patient's health, and administrators do not read charts: these are left out.

Spec: FHIR R4, hl7.org/fhir/R4/auditevent.html; IHE BALP 1.1.3
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.interaction.trail.render import ACCOUNT, CLIENT_ID
from healix_fhir.interaction.trail.vocabulary import WORDS
from healix_fhir.kernel.audit import AUDIT_EVENT
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.pages.admin.gate import at
from healix_fhir.pages.people import cursor_of, resources
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.access import AccessContext
from smart_auth.oauth.sessions import Session
from smart_auth.scope import parse

AUDIT = "audit"
SCOPE = parse("system/AuditEvent.rs")
LINES = 50
LONGEST = 128
FIELDS = ("since", "until", "person", "patient", "app", "what", "action", "outcome")
ACTIONS: Mapping[str, str] = {"C": "made", "R": "read", "U": "changed", "D": "deleted", "E": "done or searched"}
OUTCOMES: Mapping[str, str] = {"0": "done", "4": "refused", "8": "failed", "12": "failed badly"}


@dataclass(frozen=True, slots=True)
class Line:
    """One event. `about` are the resources, studies or things that it was about, without the patient."""

    when: datetime
    what: str
    action: str
    outcome: str
    refused: bool
    person: str
    app: str
    address: str
    patient: str
    about: str
    emergency: bool


async def listing(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/audit with any of `FIELDS`, and `cursor` for a further page."""
    sent = {name: request.query_params.get(name, "").strip()[:LONGEST] for name in FIELDS}
    cursor = request.query_params.get("cursor")
    access = AccessContext(SCOPE, origin(request, session))
    lines: list[Line] = []
    following, error = None, ""
    try:
        asked = [*_asked(sent), ("_count", str(LINES)), *([("_cursor", cursor)] if cursor else [])]
        found = await site.interactions.search(access, AUDIT_EVENT, asked, strict=True)
        lines, following = [_line(one) for one in resources(found)], cursor_of(found)
    except HealixError as refusal:
        if refusal.category is not Category.INVALID:
            raise
        error = refusal.message
    kept = {name: value for name, value in sent.items() if value}
    return page(
        "admin/audit.html",
        400 if error else 200,
        username=session.account.username,
        csrf=session.csrf,
        sent=sent,
        lines=lines,
        error=error,
        actions=ACTIONS,
        outcomes=OUTCOMES,
        next=f"{at(AUDIT)}?{urlencode(kept | {'cursor': following})}" if following and len(lines) == LINES else None,
        first=cursor is None,
        start=f"{at(AUDIT)}?{urlencode(kept)}",
    )


def _asked(sent: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The parameters of the search that a form asks for. Raises Invalid for what is no time."""
    for name, prefix in (("since", "ge"), ("until", "le")):
        if sent[name]:
            yield "date", f"{prefix}{_moment(sent[name])}"
    for name, parameter, before in (
        ("person", "agent:identifier", f"{ACCOUNT}|"),
        ("app", "agent:identifier", f"{CLIENT_ID}|"),
        ("patient", "patient", ""),
        ("what", "subtype", f"{WORDS}|"),
        ("action", "action", ""),
        ("outcome", "outcome", ""),
    ):
        value = sent[name].lower() if name == "person" else sent[name]
        if value:
            yield parameter, before + value.replace(",", " ")


def _moment(text: str) -> str:
    """A time as a browser's field for dates and times sends it, of UTC, or with its offset; to the minute."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise invalid("write times as 2026-01-31T08:00, in UTC", code="value") from error
    return f"{moment.replace(tzinfo=None).isoformat(timespec='minutes')}:00Z"


def _line(event: dict[str, Any]) -> Line:
    agents = [_agent(one) for one in event["agent"]]
    client = event["agent"][0]
    whats = [one["what"] for one in event.get("entity", ()) if "what" in one and "role" in one]
    patients = [one for what in whats if (one := what.get("reference", "")).startswith("Patient/")]
    return Line(
        datetime.fromisoformat(event["recorded"]),
        next((one["code"] for one in event["subtype"] if one["system"] == WORDS), ""),
        ACTIONS.get(event["action"], event["action"]),
        OUTCOMES.get(event["outcome"], event["outcome"]),
        event["outcome"] != "0",
        next((name for system, name in agents if system == ACCOUNT), ""),
        next((name for system, name in agents if system == CLIENT_ID), ""),
        client.get("network", {}).get("address", ""),
        patients[-1] if patients else "",
        ", ".join(dict.fromkeys(one for what in whats if (one := _named(what)) and one not in patients)),
        "purposeOfEvent" in event,
    )


def _agent(agent: dict[str, Any]) -> tuple[str, str]:
    identifier = agent["who"].get("identifier", {})
    return identifier.get("system", ""), identifier.get("value", "")


def _named(what: dict[str, Any]) -> str:
    return str(what.get("reference") or what.get("display") or what.get("identifier", {}).get("value", ""))
