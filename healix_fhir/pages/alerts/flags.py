"""Flags that are open: what to bear in mind whenever a record is opened, of all patients of a clinician or of one.

Those of alerts stand beside others that people and systems have set. A patient reads their own.

Spec: FHIR R4, hl7.org/fhir/R4/flag.html
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.care.alerts.flagging import DETAIL, FLAG, PRIORITY
from healix_fhir.care.alerts.worded import worded
from healix_fhir.kernel import clock
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.errors import not_found
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.kernel.language.catalogue import Words, say
from healix_fhir.operation.told import concept_text
from healix_fhir.pages.alerts.inbox import LOGIN, when
from healix_fhir.pages.people import one as find_person
from healix_fhir.pages.people import resources
from healix_fhir.pages.present import Json, Person, person
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from smart_auth.access import AccessContext
from smart_auth.scope import parse

ADDRESS = "/account/flags"
SCOPE = parse("user/Flag.rs user/Patient.rs")
SHOWN = 100
"""Flags of one page."""
PRIORITIES = Words({"PH": "Urgent", "PM": "Important", "PL": "For information", "PN": "For information"})
ORDER = ("PH", "PM", "PL", "PN")


class Line(msgspec.Struct, frozen=True):
    """A Flag as people read it; `alert` is the id of the DetectedIssue that it stands beside."""

    title: str
    priority: str
    since: str
    until: str
    patient: Person | None
    alert: str


async def show(site: Site, request: Request) -> Response:
    """GET /account/flags, of one `patient` or of all."""
    session = await site.session(request)
    if session is None:
        return RedirectResponse(LOGIN, 303)
    if session.account.role == "admin":
        return RedirectResponse("/admin/", 303)
    access = msgspec.structs.replace(await site.access(request, session), scopes=SCOPE)
    asked = request.query_params.get("patient", "")
    whose = await find_person(site, access, asked) if is_logical_id(asked) else None
    if asked and whose is None:
        raise not_found("There is no such patient among those you see.")
    flags = await _open(site, access, whose)
    persons = {whose.id: whose} if whose else await _persons(site, access, {_patient(one) for one in flags})
    lines = [_line(one, persons) for one in flags]
    return page(
        "flags.html",
        flags=lines[:SHOWN],
        more=len(lines) > SHOWN,
        whose=whose,
        words=PRIORITIES,
        clinician=session.account.practitioner is not None,
        username=session.account.username,
        csrf=session.csrf,
    )


async def _open(site: Site, access: AccessContext, whose: Person | None) -> list[Json]:
    """The active Flags that have not ended, the gravest and newest first."""
    of_one = [("patient", f"Patient/{whose.id}")] if whose is not None else []
    found: dict[str, Json] = {}
    for period in (("date", f"ge{instant(clock.now())}"), ("date:missing", "true")):
        asked = [*of_one, period, ("_sort", "-date"), ("_count", str(SHOWN + 1))]
        found |= {one["id"]: one for one in resources(await site.interactions.search(access, FLAG, asked))}
    active = [one for one in found.values() if one.get("status") == "active"]
    active.sort(key=lambda one: str(one.get("period", {}).get("start", "")), reverse=True)
    return sorted(active, key=lambda one: ORDER.index(_priority(one)))


async def _persons(site: Site, access: AccessContext, ids: set[str]) -> dict[str, Person]:
    named = sorted(id_ for id_ in ids if is_logical_id(id_))
    if not named:
        return {}
    asked = [("_id", ",".join(named)), ("_count", str(len(named)))]
    return {one["id"]: person(one) for one in resources(await site.interactions.search(access, "Patient", asked))}


def _line(flag: Json, persons: dict[str, Person]) -> Line:
    period = flag.get("period", {})
    detail = str(_extension(flag, DETAIL).get("valueReference", {}).get("reference", ""))
    return Line(
        worded(concept_text(flag.get("code") or {})) or say("Flag"),
        _priority(flag),
        when(str(period.get("start", ""))),
        when(str(period.get("end", ""))),
        persons.get(_patient(flag)),
        detail.partition("DetectedIssue/")[2],
    )


def _priority(flag: Json) -> str:
    """The code of its priority; that of a Flag that says none is between those of others."""
    codings = _extension(flag, PRIORITY).get("valueCodeableConcept", {}).get("coding", ())
    return next((one["code"] for one in codings if one.get("code") in ORDER), "PM")


def _extension(flag: Json, url: str) -> dict[str, Any]:
    return next((one for one in flag.get("extension", ()) if one.get("url") == url), {})


def _patient(flag: Json) -> str:
    return str(flag.get("subject", {}).get("reference", "")).rpartition("Patient/")[2].partition("/_history/")[0]
