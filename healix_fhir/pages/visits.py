"""The visits of a patient, as lines of a list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from healix_fhir.kernel.language.catalogue import Words, say
from healix_fhir.kernel.language.dates import moment
from healix_fhir.pages.people import cursor_of, resources
from healix_fhir.pages.site import Site
from smart_auth.access import AccessContext

VISITS, NEWEST = 20, 100
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
KINDS = Words(
    {
        "AMB": "Visit",
        "EMER": "Emergency",
        "HH": "Visit at home",
        "IMP": "Stay",
        "ACUTE": "Stay",
        "NONAC": "Stay",
        "OBSENC": "Stay for observation",
        "SS": "Day surgery",
        "VR": "Visit by phone or video",
    }
)
"""Classes of encounters as people call them. Spec: terminology.hl7.org, v3-ActEncounterCode"""
UNUSABLE = "cancelled,entered-in-error"


@dataclass(frozen=True, slots=True)
class Visit:
    """An Encounter in a list."""

    id: str
    title: str
    when: str
    about: str


@dataclass(frozen=True, slots=True)
class Visits:
    """A page of visits; `next` is the cursor of the one after it."""

    visits: list[Visit]
    next: str | None


async def visits(site: Site, access: AccessContext, patient: str, day: str, cursor: str | None) -> Visits:
    """A page of the visits of a patient, the newest first; only those of `day`, where one is given."""
    params = [("patient", f"Patient/{patient}"), ("status:not", UNUSABLE), ("_sort", "-date"), ("_count", str(VISITS))]
    params += [("date", f"ge{day}"), ("date", f"le{day}")] if day else []
    found = await site.interactions.search(access, "Encounter", params + ([("_cursor", cursor)] if cursor else []))
    return Visits([visit(one) for one in resources(found)], cursor_of(found))


async def visits_of(site: Site, access: AccessContext, patients: list[str]) -> dict[str, list[Visit]]:
    """The newest visits of several patients, by patient."""
    whose = ",".join(f"Patient/{id_}" for id_ in patients)
    params = [("patient", whose), ("status:not", UNUSABLE), ("_sort", "-date"), ("_count", str(NEWEST))]
    found: dict[str, list[Visit]] = {}
    for one in resources(await site.interactions.search(access, "Encounter", params)):
        patient = one.get("subject", {}).get("reference", "").partition("Patient/")[2]
        found.setdefault(patient, []).append(visit(one))
    return found


async def one_visit(site: Site, access: AccessContext, id_: str) -> Visit | None:
    """One visit; None when the account does not see that one."""
    found = await site.interactions.search(access, "Encounter", [("_id", id_)])
    return next((visit(one) for one in resources(found)), None)


def day_of(text: str) -> str:
    """A day as a browser sends it; empty for anything else."""
    return text if DAY.fullmatch(text) else ""


def visit(encounter: dict[str, Any]) -> Visit:
    """An Encounter as a line: what it is, when, and why."""
    kinds = [_words(one) for one in encounter.get("type", ())]
    class_ = encounter.get("class", {})
    kind = next(filter(None, kinds), "") or KINDS.get(class_.get("code", "")) or class_.get("display") or say("Visit")
    period = encounter.get("period", {})
    begin, end = (moment(period.get(name)) for name in ("start", "end"))
    when = (
        say("{first} to {last}", first=begin, last=end)
        if begin and end and period["start"][:10] != period["end"][:10]
        else begin or end
    )
    reasons = [_words(one) for one in encounter.get("reasonCode", ())]
    return Visit(encounter["id"], str(kind), when, ", ".join(filter(None, reasons)))


def _words(concept: dict[str, Any]) -> str:
    codings = [coding.get("display", "") for coding in concept.get("coding", ())]
    return str(concept.get("text") or next(filter(None, codings), ""))
