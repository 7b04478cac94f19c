"""What of a PlanDefinition is understood, and that nothing else is left out silently."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest

from healix_fhir.care.alerts.activity import inlined
from healix_fhir.care.alerts.hours import Hours
from healix_fhir.care.alerts.reading import is_rule, plan_of
from healix_fhir.care.alerts.rule import CARE_TEAM, PATIENT, Escalation
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.validate import check
from tests.support.alerts import HEART_RATE, action, activity, asked, by_the_clock, condition, looking_back, plan
from tests.support.resources import LOINC, UCUM

MINUTES = {"value": 30, "unit": "min", "system": UCUM, "code": "min"}
AGAIN = {
    "title": "Nobody has looked",
    "relatedAction": [{"actionId": "a", "relationship": "after-start", "offsetDuration": MINUTES}],
}
DAYTIME = {"repeat": {"timeOfDay": ["07:00:00"], "duration": 15, "durationUnit": "h"}}


@pytest.mark.spec("FHIR R4 plandefinition.html#PlanDefinition.action")
def test_a_rule_is_read_from_the_elements_of_the_standard() -> None:
    """Trigger, conditions, inputs, priority, words, participants, hours and escalations are those of the action."""
    made = plan(
        action(
            condition("value > 120 '/min' and %before.count() > 1"),
            condition("value < 110 '/min'", "stop"),
            input=[looking_back("before", 2)],
            priority="stat",
            description="Look at once",
            textEquivalent="Your heart beats fast",
            participant=[{"type": "practitioner"}],
            timingTiming=DAYTIME,
            action=[AGAIN],
        )
    )
    check(made, "PlanDefinition")
    (rule,) = plan_of(made).rules
    assert rule.codes == ((LOINC, HEART_RATE),)
    assert (rule.rank, rule.title, rule.words) == (2, "Heart rate high", "Look at once")
    assert (rule.plain, rule.told) == ("Your heart beats fast", frozenset({CARE_TEAM}))
    assert (len(rule.when), len(rule.until), rule.window) == (1, 1, timedelta(days=2))
    assert rule.hours == Hours(time(7), timedelta(hours=15))
    assert rule.escalations == (Escalation(timedelta(minutes=30), "Nobody has looked"),)


def test_what_is_left_out_has_its_meaning() -> None:
    """Without priority a rule is of moderate severity, without participants both patient and care team are told."""
    read = plan_of(plan())
    assert read.general
    assert read.group is None
    assert read.rules[0].rank == 1
    assert read.rules[0].told == {PATIENT, CARE_TEAM}
    assert not plan_of(plan(type_="clinical-protocol")).general
    assert plan_of(plan(subjectReference={"reference": "Group/g"})).group == "g"


def test_a_rule_of_the_clock_has_a_period() -> None:
    """A periodic trigger makes a rule that is looked at for the patient, as often as its timing says."""
    (rule,) = plan_of(plan(by_the_clock(condition("%heart.empty()"), input=[looking_back("heart", 3)]))).rules
    assert (rule.period, rule.codes) == (timedelta(days=1), ((LOINC, HEART_RATE),))


@pytest.mark.parametrize("kind", ["order-set", "workflow-definition"])
def test_other_plans_are_no_rules(kind: str) -> None:
    """What asks for no evaluation is stored like any resource, and no rule."""
    assert not is_rule(plan(type_=kind))
    assert not is_rule(plan({"title": "do something"}))
    assert is_rule(plan())


def doing(*, named: str = "urn:call", **more: Any) -> dict[str, Any]:
    """A plan that has something done."""
    made = plan(action(definitionCanonical=named)) | {"contained": [{"resourceType": "Basic"}]}
    return inlined(made, {named: activity(**more)})


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("there is no ActivityDefinition http://x.test/activity", doing(named="http://x.test/activity")),
    ("there is no ActivityDefinition urn:call|2", doing(named="urn:call|2")),
    ("the status of urn:call is draft", doing(status="draft")),
    ("kind must be Task or ServiceRequest", doing(kind="MedicationRequest")),
    ("kind must be", doing(kind=None)),
    ("intent must be proposal or plan", doing(intent="order")),
    ("ActivityDefinition.doNotPerform", doing(doNotPerform=True)),
    ("ActivityDefinition.dynamicValue", doing(dynamicValue=[{"path": "status"}])),
    ("subjectCodeableConcept must be Patient", doing(subjectCodeableConcept={"coding": [{"code": "Device"}]})),
    ("action[0].definitionUri", plan(action(definitionUri="urn:x"))),
    ("action[0].action[0].definitionCanonical", plan(action(action=[AGAIN | {"definitionCanonical": "urn:call"}]))),
    ("action[0].dynamicValue", plan(action(dynamicValue=[{"path": "status"}]))),
    ("action[0].modifierExtension", plan(action(modifierExtension=[{"url": "urn:x", "valueCode": "x"}]))),
    ("modifierExtension", plan(modifierExtension=[{"url": "urn:x", "valueCode": "x"}])),
    ("has no condition", plan(action(condition("true", "stop")))),
    ("in text/fhirpath", plan(action({"kind": "start", "expression": {"language": "text/cql", "expression": "x"}}))),
    ("%other", plan(action(condition("%other.count() > 1")))),
    ("valu", plan(action(condition("valu > 120 '/min'")))),
    ("condition[0].expression: not a FHIRPath expression, at character 8", plan(action(condition("value >")))),
    ("trigger[0].type 'named-event'", plan(action(trigger=[{"type": "named-event", "name": "x"}]))),
    ("must be Observation", plan(action(trigger=[{"type": "data-added", "data": [{"type": "Condition"}]}]))),
    ("one codeFilter", plan(action(trigger=[{"type": "data-added", "data": [{"type": "Observation"}]}]))),
    ("data[0].limit", plan(action(trigger=[{"type": "data-added", "data": [asked() | {"limit": 1}]}]))),
    ("trigger[0] must have one data", plan(action(trigger=[{"type": "data-added", "data": [asked(), asked()]}]))),
    ("one timeOfDay", plan(action(timingTiming={"repeat": DAYTIME["repeat"] | {"timeOfDay": ["23:59:60"]}}))),
    ("one timeOfDay", plan(action(timingTiming={"repeat": DAYTIME["repeat"] | {"timeOfDay": [None]}}))),
    ("has no trigger", plan(action(), {"title": "x", "condition": [condition("true")]})),
    ("same id", plan(action(), action())),
    ("periodUnit", plan(action(condition("true"), trigger=[{"type": "periodic"}]))),
    ("one minute", plan(action(condition("true"), trigger=[
        {"type": "periodic", "timingTiming": {"repeat": {"period": 1, "periodUnit": "s"}}}]))),
    ("either new data", plan(action(trigger=[
        {"type": "data-added", "data": [asked()]},
        {"type": "periodic", "timingTiming": {"repeat": {"period": 1, "periodUnit": "d"}}}]))),
    ("a name of letters", plan(action(input=[looking_back("not a name", 1)]))),
    ("a name of letters", plan(action(input=[looking_back("resource", 1)]))),
    ("one dateFilter", plan(action(input=[asked() | {"id": "x"}]))),
    ("must be patient or practitioner", plan(action(participant=[{"type": "device"}]))),
    ("participant[0].role", plan(action(participant=[{"type": "patient", "role": {"text": "x"}}]))),
    ("relatedAction must name", plan(action(action=[AGAIN | {"relatedAction": []}]))),
    ("less than a day", plan(action(timingTiming={"repeat": DAYTIME["repeat"] | {"duration": 24}}))),
    ("must name a Group", plan(subjectReference={"reference": "Patient/p"})),
    ("must be Patient", plan(subjectCodeableConcept={"coding": [{"code": "Medication"}]})),
    ("at most 10 of condition", plan(action(*[condition("true")] * 11))),
    ("at most 10 of input", plan(action(input=[looking_back(f"x{n}", 1) for n in range(11)]))),
    ("at most 10 of action", plan(action(action=[AGAIN] * 11))),
    ("at most 50 actions", plan(*[action(id=str(n)) for n in range(51)])),
]  # fmt: skip


@pytest.mark.parametrize(("named", "made"), REFUSED, ids=[named for named, _ in REFUSED])
def test_what_is_not_understood_is_refused_by_name(named: str, made: dict[str, Any]) -> None:
    """A rule that would mean something else with a part left out is not evaluated, and its author is told why."""
    with pytest.raises(HealixError) as refusal:
        plan_of(made)
    assert refusal.value.category is Category.INVALID
    assert named in refusal.value.message
