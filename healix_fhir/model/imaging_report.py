"""Imaging reports: DiagnosticReports of what was read in images, with their sections, and the Tasks of reading them.

R4 gives a DiagnosticReport no sections. Each is a contained Observation with the LOINC code of its heading, named by
`result`, so that the sections are versioned with the report and come with every read of it; the impression is
`conclusion`. The headings are those of a Basic Diagnostic Imaging Report, so that its structured report has the same.

Spec: FHIR R4, hl7.org/fhir/R4/diagnosticreport.html, task.html; PS3.16 TID 2000, CID 7001 and 9231 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any

import msgspec

Json = dict[str, Any]
REPORT = "DiagnosticReport"
LOINC = "http://loinc.org"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
UID_SYSTEM = "urn:dicom:uid"
UID_PREFIX = "urn:oid:"
CATEGORIES = frozenset(
    {
        (LOINC, "LP29684-5"),
        ("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD"),
        ("http://terminology.hl7.org/CodeSystem/observation-category", "imaging"),
    }
)
"""What says that a report is one of images; so does `imagingStudy`."""
CATEGORY = {"coding": [{"system": LOINC, "code": "LP29684-5", "display": "Radiology"}]}
CODE = {"system": LOINC, "code": "18748-4", "display": "Diagnostic imaging study"}
INTERPRETATION = {"system": DCM, "code": "110005", "display": "Interpretation"}
"""Task.code of the reading of images. Spec: PS3.16 CID 9231 (2024d)"""
ABNORMAL = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
CRITICAL = {"coding": [{"system": ABNORMAL, "code": "AA", "display": "Critical abnormal"}]}
"""Observation.interpretation of the findings that somebody must hear of at once."""

DRAFTS = ("registered", "partial", "preliminary")
SIGNED = ("final", "amended", "corrected", "appended")
ADDENDUM = "addendum"
IMPRESSION = "impression"


class Section(msgspec.Struct, frozen=True):
    """A heading: its LOINC code, and what it is called."""

    code: str
    title: str


SECTIONS: Mapping[str, Section] = MappingProxyType(
    {
        "technique": Section("55111-9", "Technique"),
        "comparison": Section("18834-2", "Comparison"),
        "findings": Section("59776-5", "Findings"),
    }
)
"""By the id of the contained Observation. Spec: PS3.16 CID 7001 (2024d)"""
OF_ADDENDUM = Section("55107-7", "Addendum")
TITLES = {name: one.title for name, one in SECTIONS.items()} | {IMPRESSION: "Impression"}


class Addendum(msgspec.Struct, frozen=True):
    """What was added to a signed report, by whom (`Practitioner/id`, or empty) and when (an instant, or empty)."""

    text: str
    author: str = ""
    moment: str = ""


class Content(msgspec.Struct, frozen=True):
    """What a report says: its sections by name, those that are empty left out, and what was added to it."""

    sections: Mapping[str, str]
    addenda: Sequence[Addendum] = ()


def is_imaging(report: Mapping[str, Any] | None) -> bool:
    """Whether a DiagnosticReport is one of images."""
    if report is None:
        return False
    codings = (coding for one in report.get("category", ()) for coding in one.get("coding", ()))
    return bool(report.get("imagingStudy")) or any(
        (one.get("system"), one.get("code")) in CATEGORIES for one in codings
    )


def is_reading(task: Mapping[str, Any] | None) -> bool:
    """Whether a Task is that of reading images."""
    codings = task.get("code", {}).get("coding", ()) if task is not None else ()
    return any((one.get("system"), one.get("code")) == (DCM, INTERPRETATION["code"]) for one in codings)


def content(report: Mapping[str, Any]) -> Content:
    """What a report says."""
    found: dict[str, str] = {}
    addenda = []
    for one in report.get("contained", ()):
        text, name = one.get("valueString", ""), _section(one)
        if name == ADDENDUM:
            author: Json = next(iter(one.get("performer", ())), {})
            addenda.append(Addendum(text, author.get("reference", ""), one.get("issued", "")))
        elif name is not None and text:
            found[name] = f"{found[name]}\n{text}" if name in found else text
    if report.get("conclusion"):
        found[IMPRESSION] = report["conclusion"]
    return Content({name: found[name] for name in TITLES if name in found}, addenda)


def is_critical(report: Mapping[str, Any]) -> bool:
    """Whether a section says that it is critical."""
    codings = (
        coding
        for one in report.get("contained", ())
        for concept in one.get("interpretation", ())
        for coding in concept.get("coding", ())
    )
    return any((one.get("system"), one.get("code")) == (ABNORMAL, "AA") for one in codings)


def written(report: Json, sections: Mapping[str, str], status: str = "preliminary", *, critical: bool = False) -> Json:
    """The report with these sections in the place of those it had; Observations of `status`. What else is contained,
    addenda too, stays.
    """
    kept = [one for one in report.get("contained", ()) if _section(one) not in SECTIONS]
    made = [_observation(name, one, sections[name], status) for name, one in SECTIONS.items() if sections.get(name)]
    if critical:
        made = [one | {"interpretation": [CRITICAL]} if one["id"] == "findings" else one for one in made]
    done = {name: one for name, one in report.items() if name not in ("contained", "conclusion", "result")}
    if contained := [*made, *kept]:
        done["contained"] = contained
    ours = {f"#{name}" for name in SECTIONS}
    others = [one for one in report.get("result", ()) if one.get("reference") not in ours]
    if result := [*({"reference": f"#{one['id']}"} for one in made), *others]:
        done["result"] = result
    if sections.get(IMPRESSION):
        done["conclusion"] = sections[IMPRESSION]
    return narrated(done)


def added(report: Json, addendum: Addendum) -> Json:
    """The report with one more addendum."""
    before = sum(_section(one) == ADDENDUM for one in report.get("contained", ()))
    id_ = f"{ADDENDUM}-{before + 1}"
    made = _observation(id_, OF_ADDENDUM, addendum.text, "final")
    if addendum.moment:
        made["issued"] = addendum.moment
    if addendum.author:
        made["performer"] = [{"reference": addendum.author}]
    contained = [*report.get("contained", ()), made]
    result = [*report.get("result", ()), {"reference": f"#{id_}"}]
    return narrated(report | {"contained": contained, "result": result})


def narrated(report: Json) -> Json:
    """The report with its narrative. Spec: FHIR R4, hl7.org/fhir/R4/narrative.html"""
    said = content(report)
    parts = [(TITLES[name], text) for name, text in said.sections.items()]
    parts += [(OF_ADDENDUM.title, one.text) for one in said.addenda]
    body = "".join(f"<h3>{escape(title)}</h3><p>{_lines(text)}</p>" for title, text in parts)
    text = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>'}
    return report | {"text": text} if parts else {name: one for name, one in report.items() if name != "text"}


def instance_of(report: Mapping[str, Any]) -> str | None:
    """The SOP Instance UID of the structured report that a signed report is filed as."""
    uids = (
        str(one.get("value", "")).removeprefix(UID_PREFIX)
        for one in report.get("identifier", ())
        if one.get("system") == UID_SYSTEM
    )
    return next((uid for uid in uids if uid), None)


def _section(observation: Mapping[str, Any]) -> str | None:
    """The name of the section that a contained Observation is."""
    if observation.get("resourceType") != "Observation":
        return None
    codes = {one.get("code") for one in observation.get("code", {}).get("coding", ()) if one.get("system") == LOINC}
    if OF_ADDENDUM.code in codes:
        return ADDENDUM
    return next((name for name, one in SECTIONS.items() if one.code in codes), None)


def _observation(id_: str, section: Section, text: str, status: str) -> Json:
    coding = {"system": LOINC, "code": section.code}
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": status,
        "code": {"coding": [coding], "text": section.title},
        "valueString": text,
    }


def _lines(text: str) -> str:
    return "<br/>".join(escape(line) for line in text.split("\n"))
