"""Find what the pages of reading show, in the name of who looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from healix_fhir.kernel.errors import not_found
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.model.imaging_report import DCM, DRAFTS, INTERPRETATION, REPORT, SIGNED, is_imaging, is_reading
from healix_fhir.model.json import decode
from healix_fhir.pages.people import literal, resources
from healix_fhir.pages.reading.gate import Caller
from healix_fhir.pages.reading.shown import PRIORITIES, rank, reader
from healix_fhir.pages.site import Site
from healix_fhir.store.lifecycle.provenance import is_signature

Json = dict[str, Any]
TASK, ORDER, STUDY = "Task", "ServiceRequest", "ImagingStudy"
CODE = ("code", f"{DCM}|{INTERPRETATION['code']}")
OPEN = "requested,accepted,in-progress"
MOST = 100
"""Cases of one page, of each urgency; studies and reports of one patient."""


async def cases(site: Site, caller: Caller, asked: Mapping[str, str]) -> tuple[list[Json], dict[str, Json], bool]:
    """The open Tasks that fit what is `asked` (modality, priority, since), ranked; what they name, by `Type/id`; and
    whether there are more. One's own are looked for by themselves: who has taken a case finds it, however many wait.
    Raises Invalid for a date that is none.
    """
    query = [CODE, ("status", OPEN), ("_sort", "authored-on"), ("_count", str(MOST))]
    query += [("_include", f"{TASK}:{one}") for one in ("focus", "based-on", "patient")]
    if asked.get("modality"):
        query.append((f"focus:{STUDY}.modality", literal(asked["modality"])))
    if asked.get("since"):
        query.append(("authored-on", f"ge{asked['since']}"))
    routine = "routine"
    groups = [[asked["priority"]]] if asked.get("priority") in PRIORITIES else [[*PRIORITIES][:-1], [routine]]
    narrowed = [[("priority", ",".join(group))] for group in groups]
    narrowed.append([("owner", caller.own), ("priority", ",".join(one for group in groups for one in group))])
    tasks: dict[str, Json] = {}
    known: dict[str, Json] = {}
    more = False
    for narrow in narrowed:
        found = await site.interactions.search(caller.access, TASK, [*query, *narrow])
        tasks |= {one["id"]: one for one in resources(found)}
        more = more or "next" in found.links
        for entry in found.entries:
            if entry.body is not None and entry.mode == "include":
                one = decode(entry.body)
                known[f"{one['resourceType']}/{one['id']}"] = one
    return sorted((one for one in tasks.values() if is_reading(one)), key=rank), known, more


async def task_of(site: Site, caller: Caller, id_: str) -> tuple[Json, int]:
    """A Task of reading, and its version. Raises NotFound."""
    stored = await site.interactions.read(caller.access, TASK, id_)
    task = decode(stored.body)
    if not is_reading(task) or not {"for", "focus", "basedOn"} <= task.keys():
        raise not_found("There is no such case.")
    return task, stored.version


async def report_of(site: Site, caller: Caller, task: Json) -> Json | None:
    """The report of a case: the signed one that it led to, else the draft of who looks."""
    for one in task.get("output", ()):
        named, _, id_ = str(one.get("valueReference", {}).get("reference", "")).partition("/")
        if named == REPORT and is_logical_id(id_) and task.get("status") == "completed":
            return await imaging_report(site, caller, id_)
    orders = ",".join(str(one.get("reference", "")) for one in task.get("basedOn", ()))
    query = [("based-on", orders), ("status", ",".join(DRAFTS)), ("_sort", "-_lastUpdated"), ("_count", str(MOST))]
    drafts = resources(await site.interactions.search(caller.access, REPORT, query))
    return next((one for one in drafts if is_imaging(one) and _is_by(one, caller.own)), None)


async def imaging_report(site: Site, caller: Caller, id_: str) -> Json:
    """An imaging report. Raises NotFound."""
    report = decode((await site.interactions.read(caller.access, REPORT, id_)).body)
    if not is_imaging(report):
        raise not_found("There is no such report.")
    return report


async def of_patient(
    site: Site, caller: Caller, kind: str, patient: str, statuses: Sequence[str] = SIGNED
) -> list[Json]:
    """Studies, or imaging reports of some `statuses`, of a patient (`Patient/id`), the newest first."""
    by = "-started" if kind == STUDY else "-issued"
    query = [("patient", patient), ("_sort", by), ("_count", str(MOST))]
    if kind == REPORT:
        query.append(("status", ",".join(statuses)))
    found = resources(await site.interactions.search(caller.access, kind, query))
    return [one for one in found if kind != REPORT or is_imaging(one)]


async def by_reference(site: Site, caller: Caller, references: Iterable[str]) -> dict[str, Json]:
    """What references name, as far as the caller sees it; one search for each type."""
    wanted: dict[str, set[str]] = {}
    for one in references:
        kind, _, id_ = one.partition("/")
        if kind in ("Patient", "Practitioner", ORDER, STUDY, REPORT) and is_logical_id(id_):
            wanted.setdefault(kind, set()).add(id_)
    known = {}
    for kind, ids in wanted.items():
        query = [("_id", ",".join(sorted(ids))), ("_count", str(len(ids)))]
        for found in resources(await site.interactions.search(caller.access, kind, query)):
            known[f"{kind}/{found['id']}"] = found
    return known


async def trails_of(site: Site, caller: Caller, report: Json) -> tuple[Sequence[Json], dict[str, str]]:
    """The Provenances of a report's signatures, and what those whom it names are called. A practitioner or a patient
    writes none of them (store/lifecycle/provenance.py).
    """
    query = [("target", f"{REPORT}/{report['id']}"), ("_count", str(MOST))]
    found = resources(await site.interactions.search(caller.access, "Provenance", query))
    trails = [one for one in found if is_signature(one)]
    named = {str(one["who"].get("reference", "")) for trail in trails for one in trail.get("agent", ())}
    for one in report.get("contained", ()):
        named |= {str(by.get("reference", "")) for by in one.get("performer", ())}
    known = await by_reference(site, caller, named)
    return trails, {reference: reader(one) for reference, one in known.items()}


def _is_by(report: Json, own: str) -> bool:
    return any(one.get("reference") == own for one in report.get("resultsInterpreter", ()))
