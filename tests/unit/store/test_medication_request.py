"""The life of a MedicationRequest, by whose hand it goes on, and what stays."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.store.lifecycle.medication_request import ORDERS, SIGN, rule
from healix_fhir.store.lifecycle.step import Actor, Step, actor_of
from smart_auth.access import AccessContext, internal
from smart_auth.person import Person
from smart_auth.scope import parse

Json = dict[str, Any]
STATUSES = (
    "active", "on-hold", "cancelled", "completed", "entered-in-error", "stopped", "draft", "unknown",
)  # fmt: skip
REASON: Json = {"statusReason": {"text": "a reason"}}
ALLOWED = {
    # by the status before: what follows, in the order of practitioners' ways: freely, and with a reason
    "draft": ({"cancelled", "entered-in-error"}, set()),
    "active": ({"completed", "entered-in-error"}, {"on-hold", "stopped", "cancelled"}),
    "on-hold": ({"active", "completed", "entered-in-error"}, {"stopped", "cancelled"}),
    "completed": ({"entered-in-error"}, set()),
    "stopped": ({"entered-in-error"}, set()),
    "cancelled": ({"entered-in-error"}, set()),
    "entered-in-error": (set(), set()),
    "unknown": (set(), set()),
}


def order(status: str = "active", intent: str = "order", **more: Any) -> Json:
    """A MedicationRequest."""
    return {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": status,
        "intent": intent,
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": {"text": "amoxicillin"},
    } | more


def asked(status: str = "active", intent: str = "proposal", who: str = "Patient/p") -> Json:
    """What a patient asks for."""
    return order(status, intent, requester={"reference": who})


def why(actor: Actor, before: Json | None, after: Json | None, operation: str = "") -> str | None:
    """Why a step is refused."""
    refusal = rule(Step("MedicationRequest", actor, before, after, operation))
    return refusal.message if refusal is not None else None


@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
@pytest.mark.spec("FHIR R4 valueset-medicationrequest-status.html")
def test_an_order_goes_on_as_the_table_says(before: str, after: str) -> None:
    """A practitioner takes the steps of the table, with a reason where one is due, and no others."""
    freely, with_reason = ALLOWED[before]
    bare = why(Actor.PRACTITIONER, order(before), order(after))
    reasoned = why(Actor.PRACTITIONER, order(before), order(after, **REASON))
    assert (bare is None) == (after in freely or before == after)
    assert (reasoned is None) == (after in freely | with_reason or before == after)
    if before != after and reasoned is not None and (before, after) != ("draft", "active"):
        assert f"{before} does not become {after}" in reasoned


@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
def test_systems_are_held_to_the_same_steps(before: str, after: str) -> None:
    """Another record keeper needs no reason and no $sign; only it loses track of an order and finds it again."""
    freely, with_reason = ALLOWED[before]
    known = freely | with_reason | ({"active"} if before == "draft" else set()) | {before}
    lost = {"unknown"} if before in ("draft", "active", "on-hold") else set()
    found = set(STATUSES) if before == "unknown" else set()
    assert (why(Actor.SYSTEM, order(before), order(after)) is None) == (after in known | lost | found)


def test_only_signing_makes_a_practitioners_draft_active() -> None:
    """A PUT of the status alone would pass by the checks; a proposal or plan needs none."""
    refusal = why(Actor.PRACTITIONER, order("draft"), order("active"))
    assert refusal is not None
    assert "$sign" in refusal
    assert why(Actor.PRACTITIONER, order("draft"), order("active"), SIGN) is None
    assert why(Actor.PRACTITIONER, order("draft", "plan"), order("active", "plan")) is None
    assert why(Actor.PRACTITIONER, order("completed"), order("active"), SIGN) is not None


@pytest.mark.parametrize("intent", sorted(ORDERS))
def test_a_practitioners_order_begins_as_a_draft(intent: str) -> None:
    """But for what is recorded for somebody else, and what a system brings."""
    assert why(Actor.PRACTITIONER, None, order("draft", intent)) is None
    assert "$sign" in (why(Actor.PRACTITIONER, None, order("active", intent)) or "")
    assert why(Actor.PRACTITIONER, None, order("active", intent, reportedBoolean=True)) is None
    assert why(Actor.PRACTITIONER, None, order("active", intent, reportedReference={"reference": "Patient/p"})) is None
    assert why(Actor.PRACTITIONER, None, order("active", intent, reportedBoolean=False)) is not None
    assert why(Actor.SYSTEM, None, order("stopped", intent)) is None


@pytest.mark.parametrize("intent", ["order", "original-order", "instance-order", "option"])
def test_patients_write_no_orders(intent: str) -> None:
    """Neither new ones nor out of what is there."""
    assert why(Actor.PATIENT, None, asked("draft", intent)) is not None
    assert why(Actor.PATIENT, asked("draft", intent), asked("active", intent)) is not None
    assert why(Actor.PATIENT, asked("draft", intent), asked("active", intent), SIGN) is not None
    assert why(Actor.PATIENT, asked("active", "proposal"), asked("active", intent)) is not None
    assert why(Actor.PATIENT, asked("draft", intent), None) is None or intent not in ("option", *ORDERS)


@pytest.mark.parametrize("who", ["Patient/p", "RelatedPerson/r"])
def test_patients_ask_in_their_own_name(who: str) -> None:
    """They write proposals and plans, take them back, and close none."""
    assert why(Actor.PATIENT, None, asked(who=who)) is None
    assert why(Actor.PATIENT, None, asked(intent="plan", who=who)) is None
    assert why(Actor.PATIENT, asked(who=who), asked("cancelled", who=who)) is None
    assert why(Actor.PATIENT, asked(who=who), asked("completed", who=who)) is not None
    assert why(Actor.PATIENT, None, asked("completed", who=who)) is not None


def test_patients_do_not_speak_for_practitioners() -> None:
    """What a practitioner proposes is not theirs to change, nor may they sign with another's name."""
    assert why(Actor.PATIENT, None, asked(who="Practitioner/d")) is not None
    assert why(Actor.PATIENT, None, order("active", "proposal")) is not None
    assert why(Actor.PATIENT, asked(who="Practitioner/d"), asked("cancelled", who="Practitioner/d")) is not None
    assert why(Actor.PATIENT, asked(who="Practitioner/d"), asked("cancelled")) is not None


def test_what_was_signed_stays() -> None:
    """A practitioner changes a draft as they like; of what was signed only how it goes on, and notes."""
    dose: Json = {"dosageInstruction": [{"text": "twice a day"}]}
    assert why(Actor.PRACTITIONER, order("draft"), order("draft", **dose)) is None
    assert "dosageInstruction" in (why(Actor.PRACTITIONER, order(), order(**dose)) or "")
    assert why(Actor.PRACTITIONER, order(**dose), order()) is not None
    assert why(Actor.PRACTITIONER, order(), order(_medicationCodeableConcept={"id": "x"})) is not None
    assert why(Actor.PRACTITIONER, order(), order(note=[{"text": "took it"}])) is None
    assert why(Actor.PRACTITIONER, order("active", "plan"), order("active", "plan", **dose)) is None
    assert why(Actor.SYSTEM, order(), order(**dose)) is None
    assert why(Actor.PRACTITIONER, order(), order("stopped", **REASON, **dose)) is not None


def test_the_intent_stays() -> None:
    """A proposal becomes an order by nobody's hand: another resource is written."""
    for actor in Actor:
        assert "intent" in (why(actor, asked("draft"), order("draft", requester={"reference": "Patient/p"})) or "")


def test_only_drafts_are_deleted() -> None:
    """What was signed is marked; systems may delete, as when a record is taken over."""
    assert why(Actor.PRACTITIONER, order("draft"), None) is None
    assert "entered-in-error" in (why(Actor.PRACTITIONER, order(), None) or "")
    assert why(Actor.PATIENT, asked(), None) is not None
    assert why(Actor.SYSTEM, order(), None) is None


def test_a_status_that_is_not_told_is_unknown() -> None:
    """An extension may stand in the place of the value: no step fails over that."""
    told = {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
    }
    absent = {key: value for key, value in order().items() if key not in ("status", "intent")}
    absent |= {"_status": told, "_intent": told}
    for actor in Actor:
        assert why(actor, None, absent) is None or actor is Actor.PATIENT
        assert why(actor, absent, None) is None or actor is not Actor.SYSTEM


@pytest.mark.parametrize(
    ("access", "actor"),
    [
        (internal("x"), Actor.SYSTEM),
        (AccessContext(parse("user/*.cruds"), practitioner="d"), Actor.PRACTITIONER),
        (AccessContext(parse("patient/*.cruds"), patient="p", pat=1, practitioner="d"), Actor.PRACTITIONER),
        (AccessContext(parse("patient/*.cruds"), patient="p", pat=1), Actor.PATIENT),
        (AccessContext(parse("user/*.cruds"), person=Person(1, ())), Actor.PATIENT),
    ],
)
def test_who_a_caller_counts_as(access: AccessContext, actor: Actor) -> None:
    """An app of one patient acts for the patient, unless a practitioner has let it in."""
    assert actor_of(access) is actor
