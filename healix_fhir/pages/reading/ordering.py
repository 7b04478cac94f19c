"""The page of imaging orders: where each stands, from the modality worklist to its report; and the form that orders.

An order is a ServiceRequest that the worklist takes up (healix_fhir/imaging/scheduling). What became of it is read from
what names it: the study, and the Task of reading.

Spec: FHIR R4, hl7.org/fhir/R4/servicerequest.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.imaging.scheduling.kinds import LOINC, OBSERVATION, SECTION, SNOMED
from healix_fhir.interaction.patch import patched
from healix_fhir.kernel import clock, ids
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.errors import Category, HealixError, invalid, not_found
from healix_fhir.kernel.language.catalogue import Words, heard, say
from healix_fhir.kernel.language.dates import moment
from healix_fhir.model.imaging_report import DCM, is_reading
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.told import concept_text
from healix_fhir.pages.people import one as person_of
from healix_fhir.pages.people import resources
from healix_fhir.pages.present import Person, Study, person, study
from healix_fhir.pages.reading.finding import MOST, ORDER
from healix_fhir.pages.reading.gate import ORDERS, READING, RESULTS, Caller, Fields
from healix_fhir.pages.reading.shown import PRIORITIES, when
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from healix_fhir.store.lifecycle.reading_task import owner_of
from healix_fhir.store.stored import Change, Method

Json = dict[str, Any]
FORM = "urn:healix:order-form"
"""The system of an identifier that a form has once, so that it orders once."""
IMAGING = {"system": SNOMED, "code": "363679005", "display": "Imaging"}
CATEGORIES = (
    f"{SNOMED}|363679005", f"{LOINC}|LP29684-5", f"{OBSERVATION}|imaging", f"{SECTION}|RAD", f"{SECTION}|IMG",
    f"{DCM}|",
)  # fmt: skip
KINDS = Words({
    "CT": "Computed tomography", "MR": "Magnetic resonance", "US": "Ultrasound", "DX": "X-ray", "MG": "Mammography",
    "NM": "Nuclear medicine", "PT": "PET", "RF": "Fluoroscopy", "XA": "Angiography",
})  # fmt: skip
"""What is ordered, by modality."""
WAITING = ("active", "on-hold")
LONGEST, REASON = 64, 1000
"""Characters of what is to be done, which a modality shows (LO), and of the reason."""
STANDS = Words({
    "worklist": "On the worklist", "paused": "On hold", "images": "Images are there", "waits": "Waits to be read",
    "read": "Being read", "reported": "Reported", "done": "Done", "revoked": "Cancelled",
})  # fmt: skip


class Line(msgspec.Struct, frozen=True):
    """An order in the list; `case` and `report` are logical ids, empty where there is none."""

    id: str
    title: str
    stands: str
    pressing: str
    when: str
    reason: str
    patient: Person | None
    study: Study | None
    case: str
    report: str
    open: bool


async def show(site: Site, request: Request, caller: Caller) -> Response:
    """GET /account/orders: the open orders of one's patients, or all those of a `patient`, whom the form is about."""
    done = {"ordered": say("It is ordered."), "revoked": say("The order is cancelled.")}
    asked = request.query_params
    return await _page(site, caller, asked.get("patient", ""), done=done.get(asked.get("done", ""), ""))


async def submit(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/orders with `deed`: order (`patient`, `modality`, `what`, `priority`, `at`, `reason`, and the
    `form` that makes it once), or revoke (`order`).
    """
    del request
    if fields.get("deed") == "revoke":
        whose = await _revoke(site, caller, fields.get("order", ""))
        return RedirectResponse(f"{ORDERS}?patient={whose}&done=revoked", 303)
    patient = await _patient(site, caller, fields.get("patient", ""))
    try:
        made = _order(site, caller, patient, fields)
    except HealixError as error:
        return await _page(site, caller, patient.id, sent=fields, problem=heard(error.message))
    once = f"identifier={FORM}|{fields['form']}"
    await site.interactions.create(caller.access, ORDER, encode(made), once)
    return RedirectResponse(f"{ORDERS}?patient={patient.id}&done=ordered", 303)


def _order(site: Site, caller: Caller, patient: Person, fields: Fields) -> Json:
    """The ServiceRequest of a form. Raises Invalid."""
    what, reason = " ".join(fields.get("what", "").split()), fields.get("reason", "").strip()
    kind, priority, form = fields.get("modality", ""), fields.get("priority", ""), fields.get("form", "")
    if not 0 < len(what) <= LONGEST:
        raise invalid(f"Say in 1 to {LONGEST} characters what is to be examined.")
    if kind not in KINDS or priority not in PRIORITIES or not ids.is_logical_id(form) or len(reason) > REASON:
        raise invalid("That is no order.")
    made: Json = {
        "resourceType": ORDER,
        "identifier": [{"system": FORM, "value": form}],
        "status": "active",
        "intent": "order",
        "category": [{"coding": [IMAGING]}],
        "priority": priority,
        "code": {"text": what},
        "orderDetail": [{"coding": [{"system": DCM, "code": kind}]}],
        "subject": {"reference": f"Patient/{patient.id}"},
        "requester": {"reference": caller.own},
        "authoredOn": instant(clock.now()),
    }
    if at := fields.get("at", ""):
        try:
            local = datetime.fromisoformat(at)
        except ValueError:
            local = None
        if local is None or local.tzinfo is not None:
            raise invalid("A day and a time are written like 2026-03-01T09:30.")
        made["occurrenceDateTime"] = local.replace(tzinfo=site.zone).isoformat(timespec="seconds")
    return made | ({"reasonCode": [{"text": reason}]} if reason else {})


async def _revoke(site: Site, caller: Caller, id_: str) -> str:
    """Take an order back that waits for its images; whose it is. Raises Conflict, NotFound."""
    if not ids.is_logical_id(id_):
        raise not_found("There is no such order.")
    held = decode((await site.interactions.read(caller.access, ORDER, id_)).body)

    def revoked(order: Json) -> Json:
        if order.get("status") not in WAITING:
            raise HealixError(Category.CONFLICT, "The order was performed by now, or cancelled.")
        return order | {"status": "revoked"}

    change = Change(Method.PATCH, ORDER, id_, patch=patched(ORDER, id_, revoked, site.interactions.bases))
    await site.interactions.writing.write(caller.access, change)
    return str(held.get("subject", {}).get("reference", "")).removeprefix("Patient/")


async def _patient(site: Site, caller: Caller, id_: str) -> Person:
    found = await person_of(site, caller.access, id_) if ids.is_logical_id(id_) else None
    if found is None:
        raise not_found("There is no such patient.")
    return found


async def _page(
    site: Site, caller: Caller, asked: str, *, done: str = "", sent: Fields | None = None, problem: str = ""
) -> Response:
    patient = await _patient(site, caller, asked) if asked else None
    query = [("category", ",".join(CATEGORIES)), ("_sort", "-authored"), ("_count", str(MOST))]
    query += [("_include", "ServiceRequest:patient"), ("_revinclude", "ImagingStudy:basedon")]
    query += [("_revinclude", "Task:based-on")]
    query.append(("patient", f"Patient/{patient.id}") if patient is not None else ("status", ",".join(WAITING)))
    found = await site.interactions.search(caller.access, ORDER, query)
    others = [decode(one.body) for one in found.entries if one.body is not None and one.mode == "include"]
    return page(
        "orders.html",
        400 if problem else 200,
        **caller.common,
        address=ORDERS,
        reading=READING,
        results=RESULTS,
        patient=patient,
        lines=[_line(one, others) for one in resources(found)],
        more="next" in found.links,
        kinds=KINDS,
        priorities=PRIORITIES,
        sent=sent or {},
        form=ids.logical_id(),
        longest=LONGEST,
        longest_reason=REASON,
        viewer=site.has_viewer(),
        zone=site.zone.key,
        done=done,
        problem=problem,
    )


def _line(order: Json, others: list[Json]) -> Line:
    own = {"reference": f"{ORDER}/{order['id']}"}
    named = [one for one in others if any(own["reference"] == each.get("reference") for each in one.get("basedOn", ()))]
    images = next((line for one in named if one["resourceType"] == "ImagingStudy" and (line := study(one))), None)
    task = next((one for one in named if one["resourceType"] == "Task" and is_reading(one)), None)
    whose = [one for one in others if f"Patient/{one['id']}" == order.get("subject", {}).get("reference")]
    patient = next((person(one) for one in whose if one["resourceType"] == "Patient"), None)
    priority = str(order.get("priority", "routine"))
    at = order.get("occurrenceDateTime", "")
    return Line(
        order["id"],
        concept_text(order.get("code") or {}) or say("Images"),
        STANDS[_stands(order, task, images)],
        PRIORITIES.get(priority, "") if priority != "routine" else "",
        moment(at[:16].replace("T", " ")) if len(at) >= 16 else when(str(order.get("authoredOn", ""))),
        "; ".join(str(one["text"]) for one in order.get("reasonCode", ()) if "text" in one),
        patient,
        images,
        task["id"] if task is not None and task.get("status") != "cancelled" else "",
        _report(task),
        order.get("status") in WAITING and images is None,
    )


def _stands(order: Json, task: Json | None, images: Study | None) -> str:
    """Where an order stands, as a key of `STANDS`."""
    status, reading = order.get("status"), task.get("status") if task is not None else None
    if status in ("revoked", "entered-in-error"):
        return "revoked"
    if reading == "completed":
        return "reported"
    if reading in ("requested", "accepted", "in-progress"):
        return "read" if owner_of(task or {}) else "waits"
    if images is not None:
        return "images"
    return {"on-hold": "paused", "completed": "done"}.get(str(status), "worklist")


def _report(task: Mapping[str, Any] | None) -> str:
    """The report that a case led to, by its logical id."""
    named = (str(one.get("valueReference", {}).get("reference", "")) for one in (task or {}).get("output", ()))
    found = [one.removeprefix("DiagnosticReport/") for one in named if one.startswith("DiagnosticReport/")]
    return found[0] if found and (task or {}).get("status") == "completed" else ""
