"""The reading list of a clinician: the cases of their patients that wait for a report, taken and given back here."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.interaction.patch import patched
from healix_fhir.kernel import clock
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.pages.reading.finding import TASK, cases
from healix_fhir.pages.reading.gate import READING, Caller, Fields
from healix_fhir.pages.reading.shown import PRIORITIES, case
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from healix_fhir.store.lifecycle.reading_task import OPEN, owner_of
from healix_fhir.store.stored import Change, Method

Json = dict[str, Any]
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
MODALITIES = ("CR", "CT", "DX", "MG", "MR", "NM", "OT", "PT", "RF", "US", "XA")
DEEDS = ("take", "give")


async def show(site: Site, request: Request, caller: Caller) -> Response:
    """GET /account/reading, narrowed by `modality`, `priority` and `since` (a day)."""
    given = request.query_params
    asked = {name: given.get(name, "").strip()[:16] for name in ("modality", "priority", "since")}
    if asked["since"] and not DAY.fullmatch(asked["since"]):
        raise invalid("A day is written like 2026-03-01.")
    tasks, known, more = await cases(site, caller, asked)
    moment = clock.now()
    lines = [case(one, known, moment) for one in tasks]
    return page(
        "reading.html",
        **caller.common,
        address=READING,
        asked=asked,
        own=[one for one in lines if one.owner == caller.own],
        free=[one for one in lines if not one.owner],
        others=[one for one in lines if one.owner and one.owner != caller.own],
        more=more,
        viewer=site.has_viewer(),
        priorities=PRIORITIES,
        modalities=MODALITIES,
    )


async def deal(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/reading with `case` and `deed`: take it, or give it back. Raises Conflict where another has it."""
    del request
    id_, deed = fields.get("case", ""), fields.get("deed", "")
    if not is_logical_id(id_) or deed not in DEEDS:
        raise invalid("That is no case.")

    def made(task: Json) -> Json:
        if owner_of(task) not in (None, caller.own) or task.get("status") not in OPEN:
            raise HealixError(Category.CONFLICT, "Somebody else has this case by now, or has reported it.")
        changed = {name: one for name, one in task.items() if name != "owner"} | {"lastModified": instant(clock.now())}
        if deed == "give":
            return changed | {"status": "requested"}
        return changed | {"status": "in-progress", "owner": {"reference": caller.own}}

    change = Change(Method.PATCH, TASK, id_, patch=patched(TASK, id_, made, site.interactions.bases))
    await site.interactions.writing.write(caller.access, change)
    return RedirectResponse(f"{READING}/{id_}" if deed == "take" else READING, 303)
