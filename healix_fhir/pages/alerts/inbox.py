"""Alerts as people read them: a clinician's inbox, the gravest first, and a patient's own in plain words.

Which alerts are open is known by the table of the job worker; what is shown of them, and whether, is what searches find
with the access of who looks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.care.alerts.worded import worded
from healix_fhir.kernel.database import Statement, Work, atransaction
from healix_fhir.kernel.language.catalogue import Words, say
from healix_fhir.kernel.language.dates import moment
from healix_fhir.operation.alert import ACKNOWLEDGE, LONGEST, OPEN, RESOLVE, acknowledge, resolve
from healix_fhir.operation.given import Argument, Given
from healix_fhir.operation.invocation import Invocation
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.people import resources
from healix_fhir.pages.present import Json, Person, person
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from smart_auth.access import AccessContext
from smart_auth.oauth.sessions import Session
from smart_auth.scope import Permission, parse

ADDRESS = "/account/alerts"
LOGIN = "/account/login"
ALERT = "DetectedIssue"
SCOPE = parse(
    "user/DetectedIssue.rus user/Observation.rs user/Patient.rs user/Communication.rs user/Practitioner.rs"
    " user/CarePlan.crus"
)
SHOWN = 100
"""Alerts of one page."""
SEVERITY = Words({"high": "Urgent", "moderate": "Important", "low": "For information"})
DONE = Words({"Acknowledged": "Acknowledged", "Resolved": "Resolved", "": "Seen"})
"""What the server notes where nobody says more."""
DEEDS = {"acknowledge": (ACKNOWLEDGE, acknowledge), "resolve": (RESOLVE, resolve)}


class Line(msgspec.Struct, frozen=True):
    """An alert as a clinician reads it. `readings` are its evidence, as far as it may be seen."""

    id: str
    title: str
    detail: str
    severity: str
    when: str
    patient: Person | None
    readings: list[str]
    seen: list[str]


async def show(site: Site, request: Request) -> Response:
    """GET /account/alerts"""
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    if session.account.role == "admin":
        return RedirectResponse("/admin/alerts", 303)
    access = await access_of(site, request, session)
    shown: dict[str, Any] = {"username": session.account.username, "csrf": session.csrf, "longest": LONGEST}
    if session.account.practitioner is None:
        return page("alerts_own.html", told=await _told(site, access), **shown)
    lines, more = await _open(site, access)
    return page("alerts.html", alerts=lines, more=more, words=SEVERITY, **shown)


async def access_of(site: Site, request: Request, session: Session) -> AccessContext:
    """The access of who looks at alerts."""
    return msgspec.structs.replace(await site.access(request, session), scopes=SCOPE)


async def deal(site: Site, request: Request) -> Response:
    """POST /account/alerts with `alert`, `deed` (acknowledge, resolve), `note` and the hidden `csrf`."""
    form = await read_form(request)
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, form)
    definition, run = DEEDS["resolve" if form.get("deed") == "resolve" else "acknowledge"]
    note = form.get("note", "").strip()
    given = Given({"note": (Argument(note),)} if note else {})
    call = Invocation(type=definition.resource[0], id=form.get("alert", ""), given=given)
    await run(site.interactions, await access_of(site, request, session), call)
    return RedirectResponse(ADDRESS, 303)


async def _open(site: Site, access: AccessContext) -> tuple[list[Line], bool]:
    """The open alerts, the gravest and newest first, and whether there are more."""
    ids = await atransaction(site.pool, lambda: _ids(access))
    if not ids:
        return [], False
    found = {one["id"]: one for one in await _all(site, access, ALERT, ids[:SHOWN])}
    alerts = [one for id_ in ids if (one := found.get(id_)) is not None and one.get("status") in OPEN]
    patients = {_named(one.get("patient")) for one in alerts} - {""}
    persons = {one["id"]: person(one) for one in await _all(site, access, "Patient", patients)}
    evidence = {id_ for one in alerts for id_ in _evidence(one)}
    readings = {one["id"]: one for one in await _all(site, access, "Observation", evidence)}
    return [_line(one, persons, readings) for one in alerts], len(ids) > SHOWN


def _ids(access: AccessContext) -> Work[list[str]]:
    seen = access.compartments(ALERT, Permission.SEARCH, "s.pat")
    rows = yield Statement(
        f"""SELECT s.issue FROM alert_state s WHERE s.phase <> 'armed' AND s.phase <> 'held' AND {seen.sql}
            ORDER BY s.rank DESC, s.raised DESC, s.issue LIMIT %s""",
        (*seen.params, SHOWN + 1),
    )
    return [id_ for (id_,) in rows]


async def _all(site: Site, access: AccessContext, kind: str, ids: Iterable[str]) -> list[Json]:
    listed = sorted(ids)
    if not listed:
        return []
    found: list[Json] = []
    for start in range(0, len(listed), SHOWN):
        asked = [("_id", ",".join(listed[start : start + SHOWN])), ("_count", str(SHOWN))]
        found += resources(await site.interactions.search(access, kind, asked))
    return found


def _evidence(alert: Json) -> list[str]:
    """The ids of the newest readings that an alert rests on."""
    listed = [one.get("reference", "") for each in alert.get("evidence", ()) for one in each.get("detail", ())]
    return [reference.rpartition("/")[2] for reference in listed[-3:] if reference.startswith("Observation/")]


def _named(reference: Json | None) -> str:
    """The logical id that a reference names; apps may write others than the server does, or none."""
    return str((reference or {}).get("reference", "")).rpartition("/")[2]


def _line(alert: Json, persons: dict[str, Person], readings: dict[str, Json]) -> Line:
    code = alert.get("code", {})
    title = code.get("text") or next(
        (one["display"] for one in code.get("coding", ()) if "display" in one), say("Alert")
    )
    detail = alert.get("detail", "")
    return Line(
        alert["id"],
        worded(title),
        worded(detail) if detail != title else "",
        alert.get("severity", "moderate"),
        when(alert.get("identifiedDateTime", "")),
        persons.get(_named(alert.get("patient"))),
        [reading(readings[id_]) for id_ in _evidence(alert) if id_ in readings],
        [f"{_deed(one['action'])} ({when(one.get('date', ''))})" for one in alert.get("mitigation", ())],
    )


def _deed(action: Json) -> str:
    text = str(action.get("text", ""))
    return DONE.get(text, text)


def _title(code: Json) -> str:
    return str(code.get("text") or next((one["display"] for one in code.get("coding", ()) if "display" in one), ""))


def reading(observation: Json) -> str:
    """An Observation in a few words."""
    code = observation["code"]
    title = code.get("text") or next(
        (one["display"] for one in code.get("coding", ()) if "display" in one), say("Reading")
    )
    parts = [observation, *observation.get("component", ())]
    values = [one["valueQuantity"] for one in parts if "value" in one.get("valueQuantity", {})]
    shown = "/".join(str(one["value"]) for one in values)
    unit = next((one.get("unit", "") for one in values), "")
    return " ".join(filter(None, (say(title), shown, unit, f"({when(observation.get('effectiveDateTime', ''))})")))


def when(text: str) -> str:
    """An instant as people read it, with its zone."""
    zone = " UTC" if text.endswith("Z") else ""
    return moment(text) + zone


async def _told(site: Site, access: AccessContext) -> list[dict[str, Any]]:
    """What patients were told of alerts, the newest first, with how each stands now."""
    asked = [("category", "alert"), ("_sort", "-sent"), ("_count", str(SHOWN))]
    answer = await site.interactions.search(access, "Communication", asked)
    found = [one for one in resources(answer) if _to_patient(one)]
    about = {one["id"]: _named(next(iter(one.get("about", ())), None)) for one in found}
    alerts = {one["id"]: one for one in await _all(site, access, ALERT, set(about.values()) - {""})}
    return [
        {
            "words": one["payload"][0].get("contentString", ""),
            "when": when(one.get("sent", "")),
            "state": _state(alerts.get(about.get(one["id"], ""))),
        }
        for one in found
        if one.get("payload")
    ]


def _to_patient(sent: Json) -> bool:
    return any(one.get("reference", "").startswith("Patient/") for one in sent.get("recipient", ()))


def _state(alert: Json | None) -> str:
    """How an alert stands, as the page has words for it."""
    if alert is None or alert.get("status") not in OPEN:
        return "done"
    return "seen" if alert.get("mitigation") else "open"
