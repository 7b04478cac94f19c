"""The page of a case: its images, priors of the patient with their reports, and the report: written, kept as a draft,
signed, added to, changed.

The rules of Task and DiagnosticReport decide (healix_fhir/store/lifecycle): this is a form for what any app may do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel import clock
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.language.catalogue import Words, heard
from healix_fhir.model.imaging_report import REPORT, SIGNED, content, is_critical, written
from healix_fhir.operation.imaging_report.amend import APPENDED, append, revise
from healix_fhir.operation.imaging_report.sign import sign_report
from healix_fhir.pages.reading.drafting import PROBLEMS, save
from healix_fhir.pages.reading.finding import STUDY, by_reference, of_patient, report_of, task_of, trails_of
from healix_fhir.pages.reading.gate import READING, RESULTS, Caller, Fields, named
from healix_fhir.pages.reading.pictures import shots
from healix_fhir.pages.reading.shown import HEADINGS, case, priors, said
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from healix_fhir.store.lifecycle.reading_task import owner_of
from healix_fhir.store.stored import Stored

Json = dict[str, Any]
IMAGES = "images"
"""What is done before the page on which key images are chosen: the draft is saved."""
LONGEST = 20_000
"""Characters of a section."""
ROWS = {"technique": 2, "comparison": 2, "findings": 12, "impression": 4}
DONE = Words(
    {
        "saved": "The draft is saved.",
        "signed": "The report is signed. Who ordered it is told.",
        "changed": "The report is changed. The earlier version is kept.",
    }
)


async def show(site: Site, request: Request, caller: Caller) -> Response:
    """GET /account/reading/[case]"""
    task, _ = await task_of(site, caller, named(request))
    report = await report_of(site, caller, task)
    return await _page(site, caller, task, report, done=DONE.get(request.query_params.get("done", ""), ""))


async def submit(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/reading/[case] with `deed` (save, images, sign, append, revise), the sections, `critical`,
    `addendum`, `status`, `reason` and the `version` that the page showed.
    """
    task, _ = await task_of(site, caller, named(request))
    report = await report_of(site, caller, task)
    try:
        done = await _do(site, caller, (task, report), fields)
    except HealixError as error:
        if error.category not in PROBLEMS:
            raise
        task, _ = await task_of(site, caller, named(request))  # a draft may be saved by now that cannot be signed
        report = await report_of(site, caller, task)
        return await _page(site, caller, task, report, sent=fields, problem=heard(error.message))
    after = "/images" if done == IMAGES else f"?done={done}"
    return RedirectResponse(f"{READING}/{task['id']}{after}", 303)


async def _do(site: Site, caller: Caller, found: tuple[Json, Json | None], fields: Fields) -> str:
    """Do what a form asks for; what is said of it then."""
    task, report = found
    deed, reason = fields.get("deed", ""), fields.get("reason", "")
    sections = {name: _text(fields.get(name, "")) for name in HEADINGS}
    if deed in ("save", IMAGES, "sign"):
        stored = await _saved(site, caller, task, report, sections, fields)
        if deed != "sign":
            return IMAGES if deed == IMAGES else "saved"
        await sign_report(site.interactions, caller.access, stored.id, fields.get("critical") == "yes")
        return "signed"
    if report is None or report.get("status") not in SIGNED or deed not in ("append", "revise"):
        raise invalid("That does not follow from where the report stands.")
    if deed == "append":
        await append(site.interactions, caller.access, report["id"], _text(fields.get("addendum", "")), reason)
        return "changed"
    status = fields.get("status", "")
    if status == APPENDED or not reason.strip():
        raise invalid("Say what it is, and why the report is changed.")
    if content(report).sections == {name: text for name, text in sections.items() if text}:
        raise invalid("Nothing was changed.")
    await revise(site.interactions, caller.access, report["id"], status, sections, reason)
    return "changed"


async def _saved(
    site: Site, caller: Caller, task: Json, report: Json | None, sections: Mapping[str, str], fields: Fields
) -> Stored:
    """Write the draft. Raises as `save`."""
    critical = fields.get("critical") == "yes"
    version = fields.get("version", "")
    return await save(site, caller, task, report, lambda one: written(one, sections, critical=critical), version)


def _text(value: str) -> str:
    """What was typed, without what browsers make of line ends. Raises Invalid for too much."""
    text = value.replace("\r\n", "\n").strip()
    if len(text) > LONGEST:
        raise invalid(f"A section has at most {LONGEST} characters.")
    return text


async def _page(
    site: Site,
    caller: Caller,
    task: Json,
    report: Json | None,
    *,
    done: str = "",
    sent: Fields | None = None,
    problem: str = "",
) -> Response:
    patient = str(task.get("for", {}).get("reference", ""))
    names = [patient, *(str(one.get("reference", "")) for one in (*task.get("basedOn", ()), task.get("focus", {})))]
    known = await by_reference(site, caller, [*names, owner_of(task) or ""])
    studies = await of_patient(site, caller, STUDY, patient)
    reports = await of_patient(site, caller, REPORT, patient)
    current = known.get(str(task.get("focus", {}).get("reference", "")), {})
    trails, called = await trails_of(site, caller, report) if report is not None else ((), {})
    held = content(report).sections if report is not None else {}
    shown = said(report, trails, called) if report is not None else None
    line = case(task, known, clock.now())
    pictures = await shots(site, caller, report, line.study.uid) if report is not None and line.study else ()
    order = known.get(names[1] if len(names) > 1 else "", {})
    return page(
        "case.html",
        400 if problem else 200,
        **caller.common,
        address=READING,
        results=RESULTS,
        case=line,
        shots=pictures,
        own=owner_of(task) == caller.own,
        open=task.get("status") != "completed",
        report=shown,
        version=report["meta"]["versionId"] if report is not None else "",
        sections=[(name, HEADINGS[name], ROWS[name], (sent or held).get(name, "")) for name in HEADINGS],
        sent=sent or {},
        critical=(sent.get("critical") == "yes") if sent else report is not None and is_critical(report),
        why=[str(one["text"]) for one in order.get("reasonCode", ()) if "text" in one],
        priors=priors(current, studies, reports),
        viewer=site.has_viewer(),
        longest=LONGEST,
        done=done,
        problem=problem,
    )
