"""Reports of images for those who wait for them: who ordered is told here, patients find their own.

A report that was withdrawn stays in the list, since somebody may have acted by it, and is not to be read any more.

Spec: FHIR R4, hl7.org/fhir/R4/communication.html, hl7.org/fhir/R4/valueset-diagnostic-report-status.html
"""

from __future__ import annotations

import base64
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.kernel.errors import Category, HealixError, not_found
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.model.imaging_report import REPORT, SIGNED
from healix_fhir.model.json import decode
from healix_fhir.pages.people import resources
from healix_fhir.pages.present import person, study
from healix_fhir.pages.reading.finding import MOST, by_reference, imaging_report, of_patient, trails_of
from healix_fhir.pages.reading.gate import RESULTS, Caller, named
from healix_fhir.pages.reading.pictures import shots
from healix_fhir.pages.reading.shown import said, when
from healix_fhir.pages.render import HEADERS, page
from healix_fhir.pages.site import Site

Json = dict[str, Any]
WITHDRAWN = ("entered-in-error", "cancelled")


async def show(site: Site, request: Request, caller: Caller) -> Response:
    """GET /account/results: what who looks was told of what they ordered; a patient's own reports."""
    del request
    lines = await _told(site, caller) if caller.own else await _mine(site, caller)
    return page("results.html", **caller.common, address=RESULTS, lines=lines)


async def one(site: Site, request: Request, caller: Caller) -> Response:
    """GET /account/results/[report]. A draft is for readers."""
    report = await _signed(site, request, caller)
    trails, names = await trails_of(site, caller, report)
    studies = [str(each.get("reference", "")) for each in report.get("imagingStudy", ())]
    subject = str(report.get("subject", {}).get("reference", ""))
    known = await by_reference(site, caller, [subject, *studies])
    images = [line for name in studies if name in known and (line := study(known[name])) is not None]
    return page(
        "imaging_report.html",
        **caller.common,
        address=RESULTS,
        report=said(report, trails, names),
        patient=person(known[subject]) if subject in known else None,
        studies=images,
        shots=await shots(site, caller, report, images[0].uid) if images else (),
        viewer=site.has_viewer(),
    )


async def pdf(site: Site, request: Request, caller: Caller) -> Response:
    """GET /account/results/[report]/pdf"""
    report = await _signed(site, request, caller)
    urls = (str(each.get("url", "")).partition("/") for each in report.get("presentedForm", ()))
    id_ = next((id_ for kind, _, id_ in urls if kind == "Binary" and is_logical_id(id_)), None)
    if id_ is None:
        raise not_found("The PDF of this report is not made yet.")
    held = decode((await site.interactions.read(caller.access, "Binary", id_)).body)
    if "data" not in held:
        raise not_found("The PDF of this report is not there.")
    headers = HEADERS | {"Content-Disposition": 'inline; filename="report.pdf"'}
    return Response(base64.b64decode(held["data"]), media_type="application/pdf", headers=headers)


async def _signed(site: Site, request: Request, caller: Caller) -> Json:
    report = await imaging_report(site, caller, named(request))
    if _is_withdrawn(report):
        raise HealixError(Category.GONE, "This report was withdrawn. Please do not rely on it.")
    if report.get("status") not in SIGNED:
        raise not_found("There is no such report.")
    return report


async def _told(site: Site, caller: Caller) -> list[Json]:
    query = [("recipient", caller.own), ("category", "notification"), ("_sort", "-sent"), ("_count", str(MOST))]
    found = list(resources(await site.interactions.search(caller.access, "Communication", query)))
    names = [each.get("subject", {}) for each in found] + [about for each in found for about in each.get("about", ())]
    known = await by_reference(site, caller, [str(each.get("reference", "")) for each in names])
    lines = []
    for each in found:
        about = [str(named_.get("reference", "")).partition("/") for named_ in each.get("about", ())]
        report = next((id_ for kind, _, id_ in about if kind == REPORT), None)
        subject = known.get(str(each.get("subject", {}).get("reference", "")))
        if report is not None:
            words = "".join(str(part.get("contentString", "")) for part in each.get("payload", ()))
            whose = person(subject) if subject is not None else None
            line = {"report": report, "words": words, "when": when(str(each.get("sent", ""))), "patient": whose}
            held = known.get(f"{REPORT}/{report}")
            withdrawn = held is not None and _is_withdrawn(held)
            lines.append(
                line
                | {
                    "urgent": each.get("priority") == "urgent" and not withdrawn,
                    "withdrawn": withdrawn,
                    "there": held is not None and held.get("status") in SIGNED,
                }
            )
    return lines


async def _mine(site: Site, caller: Caller) -> list[Json]:
    own = caller.session.account.patient
    statuses = (*SIGNED, *WITHDRAWN)
    reports = await of_patient(site, caller, REPORT, f"Patient/{own}", statuses) if own is not None else []
    return [
        {"report": each["id"], "words": said(each).title, "when": when(str(each.get("issued", ""))), "patient": None,
         "urgent": False, "withdrawn": _is_withdrawn(each), "there": not _is_withdrawn(each)}
        for each in reports
        if each.get("status") in SIGNED or _is_withdrawn(each)
    ]  # fmt: skip


def _is_withdrawn(report: Json) -> bool:
    """Whether it was released once: a draft that came to nothing was told to nobody."""
    return report.get("status") in WITHDRAWN and "issued" in report
