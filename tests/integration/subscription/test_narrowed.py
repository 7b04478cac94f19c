"""What hides a resource from a Subscription's writer, or shows it for an emergency, does so in its deliveries."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import transaction
from smart_auth.access import AccessContext
from smart_auth.break_glass import DEFAULT, break_glass, end
from smart_auth.scope import parse
from tests.integration.subscription.conftest import Notified, observation
from tests.support.consents import actors, consent, deny, level
from tests.support.receiver import Receiver

WHO = Origin("ehr", "doc")
DOCTOR = AccessContext(parse("system/Subscription.cruds user/*.rs"), WHO, practitioner="d")


def told(clinic: Notified, receiver: Receiver, resource: dict[str, Any]) -> bool:
    """Whether the writer hears of a change of this resource."""
    before = len(receiver.seen)
    clinic.write(resource)
    clinic.events()
    clinic.deliver()
    assert clinic.waiting() == 0
    return len(receiver.seen) > before


def patient(*doctors: str) -> dict[str, Any]:
    """The patient, in the care of these."""
    return {
        "resourceType": "Patient",
        "id": "p1",
        "generalPractitioner": [{"reference": f"Practitioner/{one}"} for one in doctors],
    }


@pytest.mark.spec("FHIR R4 subscription.html#6.16.7")
def test_an_emergency_opens_deliveries_for_its_time(clinic: Notified, receiver: Receiver) -> None:
    """Nothing is told before the glass is broken and after the access has ended; what waits then does not leave."""
    clinic.write(patient())
    clinic.subscribe("s", receiver.url, DOCTOR)
    assert not told(clinic, receiver, observation("o1"))
    opening = transaction(clinic.pool, lambda: break_glass(DOCTOR, "p1", "unconscious", DEFAULT))
    assert told(clinic, receiver, observation("o2"))
    clinic.write(observation("o3"))
    clinic.events()
    assert clinic.waiting() == 1
    transaction(clinic.pool, lambda: end(WHO, id_=opening.id))
    seen = len(receiver.seen)
    clinic.deliver()
    assert (clinic.waiting(), len(receiver.seen)) == (0, seen)
    assert not told(clinic, receiver, observation("o4"))


@pytest.mark.spec("FHIR R4 consent.html#6.2.0")
def test_a_consent_closes_deliveries(clinic: Notified, receiver: Receiver) -> None:
    """What the patient denies the writer is not told, nor what was in line when the patient denied it."""
    clinic.write(patient("d"))
    clinic.subscribe("s", receiver.url, DOCTOR)
    assert told(clinic, receiver, observation("o1"))
    clinic.write(observation("o2"))
    clinic.events()
    assert clinic.waiting() == 1
    denied = consent("c", deny(actor=actors("Practitioner/d")), patient="p1")
    clinic.write(denied)
    seen = len(receiver.seen)
    clinic.deliver()
    assert (clinic.waiting(), len(receiver.seen)) == (0, seen)
    assert not told(clinic, receiver, observation("o3"))
    clinic.write(denied | {"status": "inactive"})
    assert told(clinic, receiver, observation("o4"))


@pytest.mark.spec("FHIR R4 security-labels.html#6.1.1")
def test_a_label_closes_deliveries(clinic: Notified, receiver: Receiver) -> None:
    """A restricted resource is not told to a writer whose account is not cleared for it."""
    clinic.write(patient("d"))
    clinic.subscribe("s", receiver.url, DOCTOR)
    assert told(clinic, receiver, observation("o1"))
    assert not told(clinic, receiver, observation("o2") | {"meta": {"security": [level("R")]}})


@pytest.mark.spec("FHIR R4 subscription.html#6.16.7")
@pytest.mark.parametrize(
    "criteria",
    [
        "Observation?status=final",
        "Observation?patient.birthdate=1930-07-13",
        "Observation?_id=hidden",
        "Observation?status:not=none",
        "Observation?subject=Patient/p2",
    ],
)
def test_no_criteria_reach_what_is_hidden(clinic: Notified, receiver: Receiver, criteria: str) -> None:
    """However the criteria reach it, a narrow app hears nothing of another record; who sees it hears of it."""
    clinic.write({"resourceType": "Patient", "id": "p2", "birthDate": "1930-07-13"})
    narrow = clinic.access("system/Subscription.cruds system/Observation.rs?_tag=urn:t|open")
    clinic.subscribe("narrow", receiver.url + "/narrow", narrow, criteria=criteria)
    clinic.subscribe("all", receiver.url + "/all", criteria=criteria)
    assert clinic.state("all") == ("active", None)
    clinic.write(observation("hidden", "p2"))
    clinic.events()
    with clinic.pool.connection() as connection:
        rows = connection.execute("SELECT subscription, id FROM subscription_event").fetchall()
    assert rows == [("all", "hidden")]
