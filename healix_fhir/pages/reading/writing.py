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
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.language.catalogue import Words, heard
from healix_fhir.model.imaging_report import CATEGORY, CODE, REPORT, SIGNED, content, is_critical, written
from healix_fhir.model.json import encode
from healix_fhir.operation.imaging_report.amend import APPENDED, append, revise
from healix_fhir.operation.imaging_report.sign import sign_report
from healix_fhir.pages.reading.finding import STUDY, by_reference, of_patient, report_of, task_of, trails_of
from healix_fhir.pages.reading.gate import READING, RESULTS, Caller, Fields, named
from healix_fhir.pages.reading.shown import HEADINGS, case, priors, said
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from healix_fhir.store.lifecycle.reading_task import owner_of
from healix_fhir.store.stored import Stored

Json = dict[str, Any]
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
PROBLEMS = frozenset({Category.UNPROCESSABLE, Category.INVALID, Category.CONFLICT, Category.PRECONDITION_FAILED})
"""What a reader can mend: the page is shown again, with what they wrote."""


async def show(site: Site, request: Request, caller: Caller) -> Response:
    """GET /account/reading/[case]"""
    task, _ = await task_of(site, caller, named(request))
    report = await report_of(site, caller, task)
    return await _page(site, caller, task, report, done=DONE.get(request.query_params.get("done", ""), ""))


async def submit(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/reading/[case] with `deed` (save, sign, append, revise), the sections, `critical`, `addendum`,
    `status`, `reason` and the `version` that the page showed.
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
    return RedirectResponse(f"{READING}/{task['id']}?done={done}", 303)


async def _do(site: Site, caller: Caller, found: tuple[Json, Json | None], fields: Fields) -> str:
    """Do what a form asks for; what is said of it then."""
    task, report = found
    deed, reason = fields.get("deed", ""), fields.get("reason", "")
    sections = {name: _text(fields.get(name, "")) for name in HEADINGS}
    if deed in ("save", "sign"):
        stored = await _saved(site, caller, task, report, sections, fields)
        if deed == "save":
            return "saved"
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
    """Write the draft. Raises Conflict for a case that the caller has not taken, or that is reported."""
    if owner_of(task) != caller.own or task.get("status") == "completed":
        raise HealixError(Category.CONFLICT, "Take the case first: another reader may have it by now.")
    critical = fields.get("critical") == "yes"
    if report is None:
        made = written(_new(caller, task), sections, critical=critical)
        return (await site.interactions.create(caller.access, REPORT, encode(made))).stored
    version = fields.get("version", "")
    if version != report["meta"]["versionId"]:
        raise HealixError(
            Category.PRECONDITION_FAILED, "The draft was changed elsewhere meanwhile. What you wrote is below."
        )
    made = written(report, sections, critical=critical)
    return (await site.interactions.update(caller.access, REPORT, report["id"], encode(made), int(version))).stored


def _new(caller: Caller, task: Json) -> Json:
    named = {one: task[one] for one in ("basedOn", "encounter") if one in task}
    return {
        "resourceType": REPORT,
        "status": "preliminary",
        "category": [CATEGORY],
        "code": {"coding": [CODE]},
        "subject": task["for"],
        "resultsInterpreter": [{"reference": caller.own}],
        "imagingStudy": [task["focus"]],
    } | named


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
    order = known.get(names[1] if len(names) > 1 else "", {})
    return page(
        "case.html",
        400 if problem else 200,
        **caller.common,
        address=READING,
        results=RESULTS,
        case=case(task, known, clock.now()),
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
