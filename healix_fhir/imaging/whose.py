"""Whether what refers to an order, or an order refers to, is of its patient: who may write one may name anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]


def of_one_patient(order: Json, other: Json) -> bool:
    """Whether a Task, an Appointment or an Encounter is of the order's patient, or of none."""
    theirs = _patients(other)
    return not theirs or not theirs.isdisjoint(_patients(order))


def _patients(resource: Json) -> set[str]:
    """The Patients whom a resource is about."""
    named = [resource.get("subject"), resource.get("for")]
    named += [one.get("actor") for one in resource.get("participant", ())]
    found = ((one or {}).get("reference", "") for one in named)
    return {reference for reference in found if reference.startswith("Patient/")}
