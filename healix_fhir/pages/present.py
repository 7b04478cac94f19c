"""FHIR resources as people read them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from healix_fhir.kernel.language.catalogue import marked, say
from healix_fhir.operation.goal.zone import told_zone

Json = dict[str, Any]

UID_SYSTEM = "urn:dicom:uid"
UID_PREFIX = "urn:oid:"
DOCUMENTS = frozenset({"SR", "DOC", "PR", "KO"})
"""Modalities of series that hold no images: reports, presentation states and selections."""
NO_NAME = marked("Name not recorded")


@dataclass(frozen=True, slots=True)
class Study:
    """An imaging study in a list, by its images: what else lies in it is not counted. `patient` is a logical id."""

    uid: str
    title: str
    when: str
    modalities: str
    series: int
    instances: int
    patient: str
    id: str


@dataclass(frozen=True, slots=True)
class Person:
    """A patient in a list; `zone` is the one that the Patient tells."""

    id: str
    name: str
    born: str
    number: str
    zone: tzinfo | None = None


def person(patient: Json) -> Person:
    """A Patient as a line: name, date of birth, and the record number that people know him by."""
    numbers = sorted(patient.get("identifier", ()), key=lambda one: one.get("use") != "usual")
    return Person(
        patient["id"],
        name(patient.get("name", ())),
        patient.get("birthDate", ""),
        next((one["value"] for one in numbers if one.get("value")), ""),
        told_zone(patient),
    )


def name(names: Iterable[Json]) -> str:
    """The official name, else the usual one, else the first; as written, or given names before the family name."""
    order = ("official", "usual")
    ranked = sorted(names, key=lambda one: order.index(one["use"]) if one.get("use") in order else len(order))
    for one in ranked:
        text = one.get("text") or " ".join(
            part for part in (*one.get("prefix", ()), *one.get("given", ()), one.get("family")) if part
        )
        if text:
            return str(text)
    return say(NO_NAME)


def _untitled(modalities: str) -> str:
    return say("{modalities} study", modalities=modalities) if modalities else say("Imaging study")


def study(resource: Json) -> Study | None:
    """An ImagingStudy as a line; None when it has no study UID, so that no viewer could open it."""
    uids = (
        one.get("value", "").removeprefix(UID_PREFIX)
        for one in resource.get("identifier", ())
        if one.get("system") == UID_SYSTEM
    )
    uid = next((uid for uid in uids if uid), None)
    if uid is None:
        return None
    codes = [code for one in resource.get("modality", ()) if (code := one.get("code"))]
    modalities = ", ".join([one for one in codes if one not in DOCUMENTS] or codes)
    beside = [one for one in resource.get("series", ()) if one.get("modality", {}).get("code") in DOCUMENTS]
    if len(beside) == len(resource.get("series", ())):  # nothing else
        beside = []
    return Study(
        uid,
        resource.get("description")
        or (say("{modalities} study", modalities=modalities) if modalities else say("Imaging study")),
        resource.get("started", "")[:16].replace("T", " "),
        modalities,
        resource.get("numberOfSeries", 0) - len(beside),
        resource.get("numberOfInstances", 0) - sum(one.get("numberOfInstances", 0) for one in beside),
        resource.get("subject", {}).get("reference", "").partition("Patient/")[2],
        resource["id"],
    )
