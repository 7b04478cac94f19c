"""What a Schedule, a Slot and an Appointment must be beside valid, so that calendars can be relied on.

Calendars are read by everybody whose scopes name them (smart_auth/shared.py), so they are of no patient. An
Appointment or Slot takes some time, and a hold says when it ends.

References to what is on this server are kept without its address, so that everything later can tell them from those to
another server, whose slots are not ours to give.

Spec: FHIR R4, hl7.org/fhir/R4/schedule.html, slot.html, appointment.html#invs (app-2, app-3)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.appointment import HELD_UNTIL, moment
from healix_fhir.model.references import references, rewrite

Json = Mapping[str, Any]
FIRST_YEAR, LAST_YEAR = 2, 9998
WITHIN = f"between the years {FIRST_YEAR} and {LAST_YEAR}"
OF_PATIENTS = ("Patient", "RelatedPerson")


def localize(resource: dict[str, Any], bases: Sequence[str]) -> None:
    """Take this server's address, one of `bases`, away from the references of a resource."""
    here = {
        text.partition("#")[0].partition("/_history/")[0]: base
        for _, text in references(resource)
        for base in bases
        if text.startswith(f"{base}/")
    }
    rewrite(resource, {text: text.removeprefix(f"{base}/") for text, base in here.items()})


def schedule(resource: Json) -> None:
    """Raise Unprocessable for the calendar of a patient."""
    for number, actor in enumerate(resource.get("actor", ())):
        text, named = str(actor.get("reference", "")), str(actor.get("type", ""))
        if named in OF_PATIENTS or any(f"/{text}".rpartition("/")[0].endswith(f"/{one}") for one in OF_PATIENTS):
            message = "a Schedule is of people, rooms and devices of the clinic, not of a patient: everybody may see it"
            raise _refused(message, f"Schedule.actor[{number}]")


def slot(resource: Json) -> None:
    """Raise Unprocessable for a Slot that takes no time."""
    if "start" not in resource or "end" not in resource:
        raise _refused("a Slot says when it starts and ends", "Slot")
    _on_calendars(resource, "Slot")
    if moment(resource["end"]) <= moment(resource["start"]):
        raise _refused("a Slot ends after it starts", "Slot.end")


def appointment(resource: Json) -> None:
    """Raise Unprocessable for an Appointment with half a time, or with none at all."""
    start, end = resource.get("start"), resource.get("end")
    if (start is None) is not (end is None):
        raise _refused("an Appointment has both start and end, or neither (app-2)", "Appointment")
    _on_calendars(resource, "Appointment")
    if start is not None and moment(str(end)) <= moment(start):
        raise _refused("an Appointment ends after it starts", "Appointment.end")
    for number, extension in enumerate(resource.get("extension", ())):
        if extension.get("url") != HELD_UNTIL:
            continue
        if "valueInstant" not in extension or not _is_on_calendars(extension["valueInstant"]):
            message = f"it says by a valueInstant {WITHIN} when a hold ends"
            raise _refused(message, f"Appointment.extension[{number}]")


def _on_calendars(resource: Json, type_name: str) -> None:
    """Raise Unprocessable for a time that the clocks of some zones, or the database, cannot tell."""
    for name in ("start", "end"):
        if name in resource and not _is_on_calendars(resource[name]):
            raise _refused(f"it is a time {WITHIN}", f"{type_name}.{name}")


def _is_on_calendars(instant: str) -> bool:
    return FIRST_YEAR <= moment(instant).year <= LAST_YEAR


def _refused(message: str, expression: str) -> HealixError:
    return HealixError(Category.UNPROCESSABLE, message, expression=(expression,))


CHECKS: Mapping[str, Callable[[Json], None]] = MappingProxyType(
    {"Schedule": schedule, "Slot": slot, "Appointment": appointment}
)
"""By type."""
