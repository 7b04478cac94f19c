"""The life of the Task of reading images: one reader at a time, who may give the case back.

The server makes it when the images of an order are there, and completes it with the signed report. A reader takes it by
writing themselves down as its owner, which holds against another who does the same at that moment: the rule is asked
when the version is locked. Other Tasks have no rules here.

Spec: FHIR R4, hl7.org/fhir/R4/task.html#statemachine
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.imaging_report import is_reading
from healix_fhir.store.lifecycle.step import Actor, Step, refused

OPEN = ("requested", "accepted", "in-progress")
TAKEN = ("accepted", "in-progress")
TRANSITIONS: Mapping[str, frozenset[str]] = MappingProxyType({one: frozenset(OPEN) for one in OPEN})
"""What a reader does; all else the server does."""
FREE = frozenset({"resourceType", "id", "meta", "text", "status", "owner", "note", "lastModified", "executionPeriod"})
"""What of it a reader writes."""


def rule(step: Step) -> HealixError | None:
    """Why a step is refused."""
    before, after = step.before, step.after
    if step.actor is Actor.SYSTEM or not (is_reading(before) or is_reading(after)):
        return None
    if step.actor is Actor.PATIENT:
        return refused(step, "status", "images are read by those who report on them")
    if before is None or after is None:
        return refused(step, "code", "the server makes the Tasks of reading, when images of an order are there")
    return _taken(step, before, after) or _moved(step, before, after)


def _taken(step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> HealixError | None:
    own = f"Practitioner/{step.practitioner}"
    was, becomes = owner_of(before), owner_of(after)
    if was not in (None, own):
        return HealixError(Category.CONFLICT, "another reader has this case", expression=("Task.owner",))
    if becomes not in (None, own):
        return refused(step, "owner", "readers take cases for themselves")
    if (becomes is not None) != (after.get("status") in TAKEN):
        return refused(step, "owner", f"a case that is {' or '.join(TAKEN)} has its reader, and no other has one")
    return None


def _moved(step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> HealixError | None:
    was, becomes = str(before.get("status")), str(after.get("status"))
    if was != becomes and becomes not in TRANSITIONS.get(was, ()):
        return refused(step, "status", f"{was} does not become {becomes}: a signed report completes it")
    changed = [name for name in {**before, **after} if name not in FREE and before.get(name) != after.get(name)]
    if not changed:
        return None
    return refused(step, changed[0].removeprefix("_"), "what is to be read stays as it is")


def owner_of(task: Mapping[str, Any]) -> str | None:
    """Who has the case, as `Type/id`; empty for an owner without a reference."""
    return str(task["owner"].get("reference", "")) if "owner" in task else None
