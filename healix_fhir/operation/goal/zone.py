"""The time zone in which a patient lives: by it a reading is of one day or of the next.

The extension `timezone` of the Patient says so, or that of an address that is in use; else it is the clinic's
(HEALIX_TIME_ZONE), else UTC.

Spec: FHIR extensions, hl7.org/fhir/extensions/StructureDefinition-timezone.html
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

TIMEZONE = "http://hl7.org/fhir/StructureDefinition/timezone"


def zone_of(patient: dict[str, Any] | None, clinic: tzinfo | None) -> tzinfo:
    """The zone of a Patient; that of the `clinic` where none is known."""
    return (told_zone(patient) if patient is not None else None) or clinic or UTC


def told_zone(patient: dict[str, Any]) -> tzinfo | None:
    """The zone that a Patient tells; None where it tells none, or one that there is not."""
    names = (
        one.get("valueCode")
        for holder in (patient, *patient.get("address", ()))
        if holder.get("use") != "old"
        for one in _extensions(holder)
        if one.get("url") == TIMEZONE
    )
    return next((zone for name in names if (zone := _named(name)) is not None), None)


def _extensions(holder: dict[str, Any]) -> Iterable[dict[str, Any]]:
    found: Iterable[dict[str, Any]] = holder.get("extension", ())
    return found


def _named(name: str | None) -> tzinfo | None:
    """The zone of a name; None for one that there is not."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
