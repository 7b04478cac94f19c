"""The draft of a case's report, as its reader writes it: begun with the first thing that is said, and changed as the
page showed it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.imaging_report import CATEGORY, CODE, REPORT
from healix_fhir.model.json import encode
from healix_fhir.operation.told import concept_text
from healix_fhir.pages.reading.finding import by_reference
from healix_fhir.pages.reading.gate import Caller
from healix_fhir.pages.site import Site
from healix_fhir.store.lifecycle.reading_task import owner_of
from healix_fhir.store.stored import Stored

Json = dict[str, Any]
PROBLEMS = frozenset({Category.UNPROCESSABLE, Category.INVALID, Category.CONFLICT, Category.PRECONDITION_FAILED})
"""What a reader can mend: the page is shown again, with what they wrote."""


async def save(
    site: Site, caller: Caller, task: Json, report: Json | None, change: Callable[[Json], Json], version: str
) -> Stored:
    """Write what `change` makes of the draft, whose `version` the page showed; of a new one where there is none.

    Raises Conflict for a case that the caller has not taken, or that is reported, PreconditionFailed for a draft that
    was changed since.
    """
    if owner_of(task) != caller.own or task.get("status") == "completed":
        raise HealixError(Category.CONFLICT, "Take the case first: another reader may have it by now.")
    if report is None:
        made = change(_new(caller, task, await _ordered(site, caller, task)))
        return (await site.interactions.create(caller.access, REPORT, encode(made))).stored
    if version != report["meta"]["versionId"]:
        raise HealixError(
            Category.PRECONDITION_FAILED, "The draft was changed elsewhere meanwhile. What you wrote is below."
        )
    body = encode(change(report))
    return (await site.interactions.update(caller.access, REPORT, report["id"], body, int(version))).stored


async def _ordered(site: Site, caller: Caller, task: Json) -> str:
    """What was ordered, in words; empty where that is not to be seen."""
    orders = await by_reference(site, caller, [str(one.get("reference", "")) for one in task.get("basedOn", ())])
    return next((text for one in orders.values() if (text := concept_text(one.get("code") or {}))), "")


def _new(caller: Caller, task: Json, ordered: str) -> Json:
    named = {one: task[one] for one in ("basedOn", "encounter") if one in task}
    return {
        "resourceType": REPORT,
        "status": "preliminary",
        "category": [CATEGORY],
        "code": {"coding": [CODE]} | ({"text": ordered} if ordered else {}),
        "subject": task["for"],
        "resultsInterpreter": [{"reference": caller.own}],
        "imagingStudy": [task["focus"]],
    } | named
