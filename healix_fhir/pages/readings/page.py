"""Readings of a record as plots, with what was measured last: a patient's own, and a clinician's of a patient.

Times and days are by the patient's clock, else the clinic's: so daily summaries are (care/daily.py).
"""

from __future__ import annotations

import asyncio
from datetime import date
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel import clock
from healix_fhir.pages.readings.gathered import gathered
from healix_fhir.pages.readings.plots import ROOM, ROWS, shown
from healix_fhir.pages.readings.window import Span, Window, window
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from healix_fhir.pages.whose import LOGIN, whose
from smart_auth.scope import parse

ADDRESS = "/account/readings"
SCOPE = parse("user/Observation.rs")


async def show(site: Site, request: Request) -> Response:
    """GET /account/readings with `patient`, `span` (day, week, month) and `end`, its last day."""
    query = request.query_params
    asked = await whose(site, request, query.get("patient"))
    if asked is None:
        return RedirectResponse(LOGIN, 303)
    zone = asked.patient.zone or site.interactions.zone
    chosen = window(query.get("span", ""), query.get("end", ""), clock.now().astimezone(zone).date(), zone)
    access = msgspec.structs.replace(asked.access, scopes=asked.access.scopes | SCOPE)
    patient, base = asked.patient.id, site.interactions.bases[0]
    found = await site.interactions.timed(lambda: gathered(access, patient, chosen, base), aside=True)
    metrics = await asyncio.to_thread(shown, found, chosen)
    return page(
        "readings.html",
        **asked.common,
        window=chosen,
        metrics=metrics,
        cut=found.cut,
        newest=found.newest,
        room=ROOM,
        most=ROWS,
        spans=[(span.name.lower(), _address(patient, chosen, span, chosen.last), span is chosen.span) for span in Span],
        earlier=_address(patient, chosen, chosen.span, chosen.earlier),
        later=_address(patient, chosen, chosen.span, chosen.later) if chosen.later is not None else None,
        newest_at=_address(patient, chosen, chosen.span, found.newest.at.astimezone(zone).date())
        if found.newest is not None
        else None,
    )


def _address(patient: str, chosen: Window, span: Span, last: date) -> str:
    """The address of a window; today's has no end, so that it is always the newest."""
    end = {"end": last.isoformat()} if last < chosen.today else {}
    return f"{ADDRESS}?{urlencode({'patient': patient, 'span': span.name.lower(), **end})}"
