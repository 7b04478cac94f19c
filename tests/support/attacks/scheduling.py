"""Attacks by the operations of appointments: on a hidden patient's appointment, and in that patient's name.

Spec: Argonaut Scheduling Implementation Guide 1.0
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.attacks.attack import Attack
from tests.support.attacks.records import parameters

HIDDEN = {"valueUri": "Appointment/<appointment>"}
SLOT = {"valueUri": "Slot/none"}
CALENDARS = "calendars are of no patient; whose a time is nobody is told"


def scheduling() -> Iterator[Attack]:
    """All of them."""
    span = "start=2026-01-01&end=2026-01-02"
    yield Attack("GET", f"/fhir/Appointment/$find?{span}&patient-reference=Patient/<patient>", beside=CALENDARS)
    asked = parameters(start={"valueDateTime": "2026-01-01"}, end={"valueDateTime": "2026-01-02"},
                       **{"patient-reference": {"valueUri": "Patient/<patient>"}})  # fmt: skip
    yield Attack("POST", "/fhir/Appointment/$find", asked, beside=CALENDARS)
    for name in ("hold", "book"):
        yield Attack("POST", f"/fhir/Appointment/${name}", parameters(**{"appt-id": HIDDEN}), changes=True)
        of_hidden = parameters(slot=SLOT, **{"patient-id": {"valueUri": "Patient/<patient>"}})
        yield Attack("POST", f"/fhir/Appointment/${name}", of_hidden, changes=True, note="for the patient",
                     beside="there is no such slot")  # fmt: skip
    replacing = parameters(slot=SLOT, **{"cancelled-appt-id": HIDDEN})
    yield Attack("POST", "/fhir/Appointment/$book", replacing, changes=True, note="in its place")
    yield Attack("POST", "/fhir/Appointment/<appointment>/$reschedule", parameters(slot=SLOT), changes=True)
    yield Attack("POST", "/fhir/Appointment/<appointment>/$cancel", changes=True)
    yield Attack("POST", "/fhir/Appointment/<appointment>/$check-in", changes=True)
