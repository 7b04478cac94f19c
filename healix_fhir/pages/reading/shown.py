"""Cases, studies and reports as people read them; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from healix_fhir.kernel.language.catalogue import Words, counted, say
from healix_fhir.kernel.language.dates import moment as moment_of
from healix_fhir.model.imaging_report import SIGNED, content, is_critical
from healix_fhir.operation.told import concept_text
from healix_fhir.pages.present import Person, Study, name, person, study
from healix_fhir.store.lifecycle.reading_task import owner_of

Json = Mapping[str, Any]
PRIORITIES = Words({"stat": "At once", "asap": "As soon as possible", "urgent": "Urgent", "routine": "Routine"})
"""By FHIR code, the most urgent first."""
STATUSES = Words({
    "registered": "Draft", "partial": "Draft", "preliminary": "Draft", "final": "Signed", "amended": "Amended",
    "corrected": "Corrected", "appended": "Signed, with an addendum", "cancelled": "Cancelled",
    "entered-in-error": "Entered in error", "unknown": "Unknown",
})  # fmt: skip
HEADINGS = Words(
    {"technique": "Technique", "comparison": "Comparison", "findings": "Findings", "impression": "Impression"}
)
MINUTE, HOUR, DAY = 60, 3600, 86400


class Case(msgspec.Struct, frozen=True):
    """A case as a line of the reading list."""

    id: str
    title: str
    priority: str
    pressing: bool
    waiting: str
    since: str
    owner: str
    patient: Person | None
    study: Study | None


class Said(msgspec.Struct, frozen=True):
    """A report as people read it: headings with texts, addenda with who and when, and who signed when and why."""

    id: str
    title: str
    status: str
    when: str
    signed: bool
    critical: bool
    sections: Sequence[tuple[str, str]]
    addenda: Sequence[tuple[str, str]]
    signatures: Sequence[str]
    pdf: bool


class Prior(msgspec.Struct, frozen=True):
    """An earlier study of the same patient, with what was reported of it; `near`: of the same part or modality."""

    study: Study
    near: bool
    reports: Sequence[tuple[str, str]]


def case(task: Json, known: Mapping[str, Json], moment: datetime) -> Case:
    """A Task of reading, with what it names by `Type/id`."""
    orders = (known.get(str(one.get("reference", ""))) for one in task.get("basedOn", ()))
    order: Json = next((one for one in orders if one is not None), {})
    shown = known.get(task.get("focus", {}).get("reference", ""))
    patient = known.get(task.get("for", {}).get("reference", ""))
    images = study(dict(shown)) if shown is not None else None
    return Case(
        str(task["id"]),
        concept_text(order.get("code") or {}) or (images.title if images is not None else say("Images")),
        PRIORITIES.get(str(task.get("priority", "routine")), "Routine"),
        task.get("priority", "routine") != "routine",
        waited(str(task.get("authoredOn", "")), moment),
        str(task.get("authoredOn", "")),
        owner_of(task) or "",
        person(dict(patient)) if patient is not None else None,
        images,
    )


def rank(task: Json) -> tuple[int, str]:
    """The order of a list: the most urgent first, of these who waits longest."""
    codes = list(PRIORITIES)
    priority = task.get("priority", "routine")
    return codes.index(priority) if priority in codes else len(codes), str(task.get("authoredOn", ""))


def waited(since: str, moment: datetime) -> str:
    """How long something waits, in words."""
    try:
        seconds = int((moment - datetime.fromisoformat(since)).total_seconds())
    except (ValueError, TypeError):
        return ""
    if seconds >= DAY:
        return counted(seconds // DAY, "{n} day", "{n} days")
    if seconds >= HOUR:
        return counted(seconds // HOUR, "{n} hour", "{n} hours")
    return counted(max(seconds // MINUTE, 1), "{n} minute", "{n} minutes")


def said(report: Json, trails: Sequence[Json] = (), names: Mapping[str, str] | None = None) -> Said:
    """A report, with the Provenances of its versions, and the names of Practitioners by `Practitioner/id`."""
    names, told = names or {}, content(report)
    signatures = []
    for trail in sorted(trails, key=lambda one: str(one.get("recorded", ""))):
        agents = [str(one.get("who", {}).get("reference", "")) for one in trail.get("agent", ())]
        who = agents[0] if agents else ""
        why = "; ".join(str(one["text"]) for one in trail.get("reason", ()) if "text" in one)
        line = f"{names.get(who) or say('Somebody')}, {when(str(trail.get('recorded', '')))}"
        signatures.append(f"{line}: {why}" if why else line)
    addenda = [
        (one.text, ", ".join(filter(None, (names.get(one.author, ""), when(one.moment))))) for one in told.addenda
    ]
    status = str(report.get("status", "unknown"))
    return Said(
        str(report["id"]),
        concept_text(report.get("code") or {}) or say("Imaging report"),
        STATUSES.get(status, status),
        when(str(report.get("issued", ""))),
        status in SIGNED,
        is_critical(report),
        [(HEADINGS[key], text) for key, text in told.sections.items()],
        addenda,
        signatures,
        any(str(one.get("url", "")).startswith("Binary/") for one in report.get("presentedForm", ())),
    )


def priors(current: Json, studies: Sequence[Json], reports: Sequence[Json]) -> list[Prior]:
    """The other studies of a patient: first those of the same part of the body and modality, then of one of these, of
    each the newest first.
    """
    parts, kinds = _parts(current), _kinds(current)
    of: dict[str, list[tuple[str, str]]] = {}
    for report in reports:
        for one in report.get("imagingStudy", ()):
            status = str(report.get("status", ""))
            if status in SIGNED:
                line = f"{STATUSES[status]} {when(str(report.get('issued', '')))}".strip()
                of.setdefault(str(one.get("reference", "")), []).append((str(report["id"]), line))
    ranked = []
    for other in studies:
        shown = study(dict(other)) if other.get("id") != current.get("id") else None
        if shown is not None:
            score = 2 * bool(parts & _parts(other)) + bool(kinds & _kinds(other))
            ranked.append((score, str(other.get("started", "")), shown))
    ranked.sort(key=lambda one: one[:2], reverse=True)
    return [Prior(shown, score > 0, of.get(f"ImagingStudy/{shown.id}", ())) for score, _, shown in ranked]


def when(instant: str) -> str:
    """An instant as people read it, with its zone."""
    return moment_of(instant[:16].replace("T", " ")) + (" UTC" if instant.endswith("Z") else "")


def reader(practitioner: Json) -> str:
    """What a Practitioner is called."""
    return name(practitioner.get("name", ()))


def _parts(images: Json) -> set[str]:
    sites = [one["bodySite"] for one in images.get("series", ()) if "bodySite" in one]
    return {str(one.get("code") or one.get("display", "")).upper() for one in sites} - {""}


def _kinds(images: Json) -> set[str]:
    return {str(one.get("code", "")) for one in images.get("modality", ())} - {"", "SR", "DOC", "PR", "KO"}
