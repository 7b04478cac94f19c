"""From a PlanDefinition to the rules that the server evaluates. What it does not understand is refused with its place.

Nothing of a rule is left out silently: an element that would change what the rule means, and is not understood here,
makes the whole plan inactive. docs/reference/alert-rules.md tells authors what is.

Spec: FHIR R4, hl7.org/fhir/R4/plandefinition.html, hl7.org/fhir/R4/metadatatypes.html#TriggerDefinition
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from healix_fhir.care.alerts.activity import NAMING, activity_of
from healix_fhir.care.alerts.condition import Condition
from healix_fhir.care.alerts.expressions import expression_of
from healix_fhir.care.alerts.rule import CARE_TEAM, PATIENT, Escalation, Plan, Rule
from healix_fhir.care.alerts.span import duration
from healix_fhir.care.alerts.timing import hours_of, period_of
from healix_fhir.care.alerts.wanted import codes_of, input_of, only
from healix_fhir.kernel.errors import invalid
from healix_fhir.kernel.language.catalogue import marked

Json = dict[str, Any]
ECA_RULE, PROTOCOL = "eca-rule", "clinical-protocol"
"""The types of plans (`plan-definition-type`): rules for whom they name, and those that CarePlans put in force."""
GROUP = re.compile(r"Group/([A-Za-z0-9\-.]{1,64})")
RULES = 50
"""Actions of one plan."""
PARTS = 10
"""Conditions, inputs and escalations of one action, each."""

WORDS = frozenset({"id", "extension", "prefix", "title", "description", "textEquivalent", "documentation"})
"""Elements that say something to people alone."""
ACTION = WORDS | {
    "priority", "code", "reason", "goalId", "type", "trigger", "condition", "input", "participant", "timingTiming",
    "action", NAMING,
}  # fmt: skip
TOLD_AGAIN = WORDS | {"relatedAction", "participant"}
ADDED = ("data-added", "data-changed")
RANK = {"routine": 0, "urgent": 1, "asap": 2, "stat": 2}
PLAIN = marked("A rule of your clinic noticed something in your readings. Your care team was told.")


def is_rule(plan: Json) -> bool:
    """Whether a PlanDefinition asks to be evaluated when something happens."""
    kinds = {one.get("code") for one in plan.get("type", {}).get("coding", ())}
    return bool(kinds & {ECA_RULE, PROTOCOL}) and any("trigger" in one for one in plan.get("action", ()))


def plan_of(plan: Json) -> Plan:
    """The rules of a valid PlanDefinition that `is_rule`, inlined (activity.py).

    Raises Invalid with the place of what is not understood.
    """
    if "modifierExtension" in plan:
        raise invalid("modifierExtension is not understood")
    actions = plan["action"]
    if len(actions) > RULES:
        raise invalid(f"a plan has at most {RULES} actions")
    rules = tuple(_rule(plan, action, f"action[{n}]", action.get("id", str(n))) for n, action in enumerate(actions))
    if len({rule.name for rule in rules}) < len(rules):
        raise invalid("two actions have the same id")
    kinds = {one.get("code") for one in plan["type"].get("coding", ())}
    return Plan(rules, ECA_RULE in kinds, _group(plan), plan.get("url"))


def _group(plan: Json) -> str | None:
    """The Group that a plan is for. Raises Invalid for another subject than patients."""
    if "subjectReference" in plan:
        found = GROUP.fullmatch(plan["subjectReference"].get("reference", ""))
        if found is None:
            raise invalid("subjectReference must name a Group of patients on this server")
        return found[1]
    coded = plan.get("subjectCodeableConcept", {}).get("coding", ())
    if coded and not any(one.get("code") == "Patient" for one in coded):
        raise invalid("subjectCodeableConcept must be Patient")
    return None


def _rule(plan: Json, action: Json, at: str, name: str) -> Rule:
    only(action, ACTION, at)
    for element in ("trigger", "condition", "input", "action"):
        if len(action.get(element, ())) > PARTS:
            raise invalid(f"{at} has at most {PARTS} of {element}")
    codes, period, asked = _triggers(action.get("trigger", ()), at)
    inputs = tuple(input_of(one, f"{at}.input[{n}]") for n, one in enumerate(action.get("input", ())))
    names = frozenset(one.name for one in inputs)
    if len(names) < len(inputs):
        raise invalid(f"{at}.input: two have the same id")
    focus = "Observation" if period is None else "Patient"
    when = [expression_of(one, names, focus, at) for one in asked]
    until: list[Condition] = []
    for n, condition in enumerate(action.get("condition", ())):
        place = f"{at}.condition[{n}]"
        only(condition, frozenset({"id", "extension", "kind", "expression"}), place)
        kept = until if condition.get("kind") == "stop" else when
        kept.append(expression_of(condition.get("expression", {}), names, focus, place))
    if not when:
        raise invalid(f"{at} has no condition of the kind applicability")
    title = action.get("title") or plan.get("title") or plan.get("name")
    if not title:
        raise invalid(f"{at} has no title")
    return Rule(
        name=name,
        title=title,
        words=action.get("description") or title,
        plain=action.get("textEquivalent") or PLAIN,
        rank=RANK[action.get("priority", "urgent")],
        codes=codes or tuple(code for one in inputs for code in one.codes),
        period=period,
        inputs=inputs,
        when=tuple(when),
        until=tuple(until),
        told=_told(action.get("participant", ()), f"{at}.participant"),
        escalations=tuple(
            _escalation(action, one, f"{at}.action[{n}]") for n, one in enumerate(action.get("action", ()))
        ),
        hours=hours_of(action["timingTiming"], f"{at}.timingTiming") if "timingTiming" in action else None,
        code=next(iter(action.get("code", ())), {"text": title}),
        reference=plan.get("url"),
        activity=activity_of(plan, action, at),
    )


def _triggers(triggers: list[Json], at: str) -> tuple[tuple[Any, ...], timedelta | None, list[Json]]:
    """The codes of new Observations, or the period, and the conditions of the triggers."""
    codes: list[Any] = []
    periods: list[timedelta] = []
    asked: list[Json] = []
    for n, trigger in enumerate(triggers):
        place = f"{at}.trigger[{n}]"
        kind = trigger.get("type")
        if kind in ADDED:
            only(trigger, frozenset({"id", "extension", "type", "name", "data", "condition"}), place)
            asked_for = trigger.get("data", ())
            if len(asked_for) != 1:  # of several all would have to be there: TriggerDefinition.data
                raise invalid(f"{place} must have one data")
            codes += codes_of(asked_for[0], f"{place}.data[0]", frozenset({"type", "codeFilter", "id", "extension"}))
        elif kind == "periodic":
            only(trigger, frozenset({"id", "extension", "type", "name", "timingTiming", "condition"}), place)
            periods.append(period_of(trigger.get("timingTiming", {}), f"{place}.timingTiming"))
        else:
            raise invalid(
                f"{place}.type '{str(kind)[:32]}' is not understood: data-added, data-changed and periodic are"
            )
        if "condition" in trigger:
            asked.append(trigger["condition"])
    if not triggers:
        raise invalid(f"{at} has no trigger")
    if len(periods) > 1 or (periods and codes):
        raise invalid(f"{at}.trigger: either new data or one period triggers a rule")
    return tuple(dict.fromkeys(codes)), next(iter(periods), None), asked


def _told(participants: list[Json], at: str) -> frozenset[str]:
    for n, one in enumerate(participants):
        only(one, frozenset({"id", "extension", "type"}), f"{at}[{n}]")
        if one.get("type") not in (PATIENT, CARE_TEAM):
            raise invalid(f"{at}[{n}].type must be patient or practitioner")
    return frozenset(one["type"] for one in participants) or frozenset({PATIENT, CARE_TEAM})


def _escalation(above: Json, action: Json, at: str) -> Escalation:
    """An action below a rule's: whom to tell again, when nobody has acknowledged the alert."""
    only(action, TOLD_AGAIN, at)
    related = action.get("relatedAction") or [{}]
    if len(related) != 1 or related[0].get("actionId") != above.get("id") or "id" not in above:
        raise invalid(f"{at}.relatedAction must name the id of the action above it, once")
    only(
        related[0],
        frozenset({"id", "extension", "actionId", "relationship", "offsetDuration"}),
        f"{at}.relatedAction[0]",
    )
    if related[0].get("relationship") not in ("after", "after-start", "after-end"):
        raise invalid(f"{at}.relatedAction[0].relationship must be after, after-start or after-end")
    if PATIENT in _told(action.get("participant", [{"type": CARE_TEAM}]), f"{at}.participant"):
        raise invalid(f"{at}.participant: an escalation tells practitioners")
    after = duration(related[0].get("offsetDuration", {}), f"{at}.relatedAction[0].offsetDuration")
    return Escalation(
        after, action.get("description") or action.get("title") or "Nobody has acknowledged this alert yet."
    )
