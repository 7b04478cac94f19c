"""What becomes of a resource that says who cares for a patient when one of them does so no more: pure rules.

Nothing is deleted: a CareTeam, an Encounter and an Appointment keep the participant, whose period ends; a CareTeam in
which nobody is left is inactive. `Patient.generalPractitioner` has no period; its history has who it was. A
RelatedPerson who acted is active no more.

Spec: FHIR R4 careteam.html, patient.html, encounter.html, appointment.html, relatedperson.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from healix_fhir.care.relations import span
from healix_fhir.kernel.clock import instant

Json = dict[str, Any]
LAST = timedelta(milliseconds=1)
"""A period holds its end, to the millisecond that it is told with: it ends just before."""
Is = Callable[[Json | None], bool]
"""Whether a reference names who leaves."""


def ended(resource: Json, leaves: Is, moment: datetime) -> Json:
    """The resource from `moment` on."""
    return RULES[resource["resourceType"]](resource, leaves, moment)


def _care_team(team: Json, leaves: Is, moment: datetime) -> Json:
    changed = _participants(team, "member", leaves, moment)
    if any(_lasts(one, moment) for one in changed.get("participant", ())):
        return changed
    return changed | {"status": "inactive", "period": _until(team.get("period"), moment)}


def _patient(patient: Json, leaves: Is, _: datetime) -> Json:
    others = [one for one in patient.get("generalPractitioner", ()) if not leaves(one)]
    rest = {key: value for key, value in patient.items() if key != "generalPractitioner"}
    return rest | ({"generalPractitioner": others} if others else {})


def _encounter(encounter: Json, leaves: Is, moment: datetime) -> Json:
    return _participants(encounter, "individual", leaves, moment)


def _appointment(appointment: Json, leaves: Is, moment: datetime) -> Json:
    return _participants(appointment, "actor", leaves, moment)


def _related_person(person: Json, _leaves: Is, moment: datetime) -> Json:
    return person | {"active": False, "period": _until(person.get("period"), moment)}


def _participants(resource: Json, element: str, leaves: Is, moment: datetime) -> Json:
    return resource | {
        "participant": [
            one | {"period": _until(one.get("period"), moment)} if leaves(one.get(element)) else one
            for one in resource.get("participant", ())
        ]
    }


def _lasts(participant: Json, moment: datetime) -> bool:
    ends = span(participant.get("period")).ends
    return ends is None or ends > moment


def _until(period: Json | None, moment: datetime) -> Json:
    """A period that is over; one that was over before stays, and one that was to come has not been."""
    known = span(period)
    if known.ends is not None and known.ends <= moment:
        return dict(period or {})
    end = instant(moment - LAST)
    if known.starts is not None and known.starts > moment:
        return (period or {}) | {"start": end, "end": end}
    return (period or {}) | {"end": end}


RULES: Mapping[str, Callable[[Json, Is, datetime], Json]] = MappingProxyType(
    {
        "CareTeam": _care_team,
        "Patient": _patient,
        "Encounter": _encounter,
        "Appointment": _appointment,
        "RelatedPerson": _related_person,
    }
)
"""By the type of what states a relationship."""
