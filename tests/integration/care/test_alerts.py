"""Alert rules over the store and the outbox: what raises an alert, for whom, once, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from random import Random
from threading import Thread
from typing import Any

import pytest

from healix_fhir.care import relationships
from healix_fhir.care.alerts import due, watch
from healix_fhir.care.alerts.clinic import Clinic as Settled
from healix_fhir.care.alerts.following import follow_people
from healix_fhir.care.alerts.hours import quiet
from healix_fhir.kernel import clock
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import run
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode
from healix_fhir.model.validate import validate
from tests.support.alerts import (
    NOON,
    WEIGHT,
    action,
    activity,
    by_the_clock,
    care_plan,
    condition,
    looking_back,
    plan,
    reading,
)
from tests.support.gate import Pool
from tests.support.search import BASE, Clinic
from tests.support.serve import wait_until

Json = dict[str, Any]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
AGAIN: Json = {
    "title": "Still nobody",
    "relatedAction": [
        {
            "actionId": "a",
            "relationship": "after",
            "offsetDuration": {"value": 30, "unit": "min", "code": "min"},
        }
    ],
}
QUIET = Settled((BASE,), UTC, quiet("22:00-07:00"))


class Ward:
    """A clinic with a clock that stands still, and its job worker's part done on demand."""

    def __init__(self, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pool, self.clinic, self.moment = pool, Clinic(pool), NOON
        monkeypatch.setattr(clock, "now", lambda: self.moment)
        for module in (watch, due):
            monkeypatch.setattr(module, "now", lambda: self.moment)
        self.consumers = {"resource": (relationships.consumer((BASE,)), watch.consumer(QUIET))}
        self.step = due.watcher(QUIET)

    def put(self, *resources: Json) -> None:
        """Store resources and let the worker work."""
        self.clinic.put(*resources)
        self.work()

    def work(self) -> None:
        """Everything that is due."""
        with self.pool.connection() as connection:
            while drain(connection, self.consumers) or self.step(connection):
                pass
        assert self.sql("SELECT payload FROM outbox") == []

    def later(self, span: timedelta) -> None:
        """Let time pass."""
        self.moment += span
        self.work()

    def sql(self, text: str, *params: object) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return self.clinic.run(text, params)

    def all(self, type_name: str) -> list[Json]:
        """The resources of a type, oldest first, each valid."""
        rows = self.sql("SELECT body FROM resource WHERE type = %s AND NOT deleted ORDER BY pk", TYPE_ID[type_name])
        found = [decode(bytes(body)) for (body,) in rows]
        for one in found:
            assert list(validate(one, type_name)) == []
        return found

    def alerts(self) -> list[Json]:
        """The alerts."""
        return self.all("DetectedIssue")

    def told(self) -> list[tuple[list[str], str]]:
        """Whom Communications told what, in order."""
        return [
            ([one["reference"] for one in sent["recipient"]], sent["payload"][0]["contentString"])
            for sent in self.all("Communication")
        ]

    def phases(self) -> list[str]:
        """How rules stand with patients."""
        return [phase for (phase,) in self.sql("SELECT phase FROM alert_state ORDER BY rule, pat")]


@pytest.fixture
def ward(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Ward:
    """Two patients, the first in the care of a practitioner."""
    ward = Ward(pool, monkeypatch)
    ward.put(
        {"resourceType": "Practitioner", "id": "d"},
        {"resourceType": "Patient", "id": "p", "generalPractitioner": [{"reference": "Practitioner/d"}]},
        {"resourceType": "Patient", "id": "q"},
    )
    return ward


def resolve(alert: Json) -> Json:
    """An alert as a plain update resolves it."""
    mitigation = [{"action": {"text": "called"}, "author": {"reference": "Practitioner/d"}}]
    return alert | {"status": "final", "mitigation": mitigation}


@pytest.mark.spec("FHIR R4 detectedissue.html", "FHIR R4 plandefinition.html#PlanDefinition.action.condition")
def test_a_reading_beyond_a_limit_raises_one_alert_until_people_resolve_it(ward: Ward) -> None:
    """One alert while it lasts, none within the margin; once over and resolved, the next reading raises another."""
    ward.put(plan(action(condition("value > 120 '/min'"), condition("value < 110 '/min'", "stop"))))
    ward.put(reading("o1", 100, NOON))
    assert ward.alerts() == []
    ward.put(reading("o2", 130, NOON + MINUTE), reading("o3", 140, NOON + 2 * MINUTE))
    (alert,) = ward.alerts()
    assert alert["status"] == "preliminary"
    assert alert["severity"] == "moderate"
    assert alert["patient"] == {"reference": "Patient/p"}
    assert alert["implicated"] == [{"reference": "Observation/o2"}]
    assert "130" not in str(alert["detail"])
    assert [whom for whom, _ in ward.told()] == [["Practitioner/d"], ["Patient/p"]]
    ward.put(reading("o4", 115, NOON + 3 * MINUTE), reading("o5", 125, NOON + 4 * MINUTE))
    assert ward.phases() == ["open"]
    ward.put(resolve(alert))
    ward.put(reading("o6", 130, NOON + 5 * MINUTE))
    assert ward.phases() == ["held"]
    ward.put(reading("o7", 100, NOON + 6 * MINUTE), reading("o8", 130, NOON + 7 * MINUTE))
    assert [one["status"] for one in ward.alerts()] == ["final", "preliminary"]


@pytest.mark.spec("FHIR R4 flag.html")
def test_a_flag_stands_as_long_as_its_alert_is_open(ward: Ward) -> None:
    """It is raised with the alert, says how grave it is and which one it is of, and has its labels; resolved it ends,
    opened anew it is active again, deleted with it no more; a mistake stays one.
    """
    ward.put(plan(), reading("o", 130, NOON) | {"meta": {"security": [{"code": "x"}]}})
    (alert,) = ward.alerts()

    def flag() -> Json:
        (found,) = ward.all("Flag")
        return found

    made = flag()
    detail, priority = made["extension"]
    assert detail["valueReference"] == {"reference": f"DetectedIssue/{alert['id']}"}
    assert priority["valueCodeableConcept"]["coding"][0]["code"] in ("PL", "PM", "PH")
    assert (made["status"], made["code"], made["subject"]) == ("active", alert["code"], alert["patient"])
    assert made["meta"]["security"] == alert["meta"]["security"]
    assert made["period"] == {"start": alert["identifiedDateTime"]}
    ward.later(HOUR)
    ward.put(resolve(alert))
    assert flag()["status"] == "inactive"
    assert flag()["period"]["end"] > made["period"]["start"]
    ward.put(alert | {"mitigation": []})
    assert (flag()["status"], "end" in flag()["period"]) == ("active", False)
    ward.put(flag() | {"status": "entered-in-error"})
    ward.put(resolve(alert))
    assert flag()["status"] == "entered-in-error"


@pytest.mark.spec(
    "FHIR R4 activitydefinition.html", "FHIR R4 plandefinition-definitions.html#PlanDefinition.action.definition[x]"
)
def test_a_rule_has_something_done(ward: Ward) -> None:
    """What an ActivityDefinition says is made with the alert, once, for its patient, with its labels. A changed one
    holds from then on, and one that is withdrawn ends the rule; so it is for a CarePlan's rule.
    """
    ward.put(activity(), plan(action(definitionCanonical="urn:call|1", priority="stat")))
    ward.put(reading("o", 130, NOON) | {"meta": {"security": [{"code": "x"}]}}, reading("o2", 130, NOON + MINUTE))
    (alert,), (task,) = ward.alerts(), ward.all("Task")
    assert (task["status"], task["intent"], task["priority"]) == ("requested", "proposal", "stat")
    assert (task["for"], task["focus"]) == ({"reference": "Patient/p"}, {"reference": f"DetectedIssue/{alert['id']}"})
    assert (task["instantiatesCanonical"], task["code"]) == ("urn:call|1", {"text": "Telephone call"})
    assert (task["description"], task["meta"]["security"]) == ("Call the patient", alert["meta"]["security"])

    ward.put(activity(version=None, kind="ServiceRequest", intent="plan", priority="asap"))
    assert ward.sql("SELECT problem FROM alert_rule WHERE source = 'PlanDefinition/rule'") == [
        ("action[0].definitionCanonical: there is no ActivityDefinition urn:call|1",)
    ]
    own = plan(action(definitionCanonical="urn:call"), id="own", type_="clinical-protocol")
    ward.put(care_plan("c", "#own", contained=[own], subject={"reference": "Patient/q"}), reading("q", 131, NOON, "q"))
    (asked,) = ward.all("ServiceRequest")
    assert (asked["subject"], asked["intent"], asked["priority"]) == ({"reference": "Patient/q"}, "plan", "asap")
    assert len(ward.alerts()) == 2
    assert len(ward.all("Task")) == 1
    ward.put(activity(version=None, status="retired"))
    assert [plans for (plans,) in ward.sql("SELECT plans FROM alert_rule WHERE plans <> ''")] == []


def test_a_reading_raises_once_and_old_ones_not_at_all(ward: Ward) -> None:
    """A reading that is written again raises nothing again, nor do readings of long ago, doubtful or withdrawn ones."""
    ward.put(plan())
    ward.put(reading("old", 150, NOON - 2 * DAY))
    ward.put(reading("odd", 150, NOON) | {"status": "preliminary"}, reading("no", 1, NOON) | {"status": "cancelled"})
    ward.put(reading("kg", 150, NOON, unit="kg"))
    assert ward.alerts() == []
    ward.put(reading("o", 150, NOON))
    (alert,) = ward.alerts()
    ward.put(reading("fine", 80, NOON + MINUTE), resolve(alert))
    assert ward.phases() == ["armed"]
    ward.put(reading("o", 151, NOON))
    assert len(ward.alerts()) == 1


def test_trend_and_combination_look_back(ward: Ward) -> None:
    """A rule over a window sees the readings of that time, in order, of that patient and code alone."""
    gain = "%week.count() > 1 and %week.last().value - %week.first().value >= 2 'kg'"
    both = "value > 100 '/min' and %oxygen.exists(value < 92 '%')"
    ward.put(
        plan(
            action(condition(gain), code=WEIGHT, id="gain", input=[looking_back("week", 7, WEIGHT)]),
            action(condition(both), id="both", input=[looking_back("oxygen", 1, "2708-6")]),
        )
    )
    ward.put(
        *(reading(f"w{n}", kg, NOON - days * DAY, code=WEIGHT, unit="kg") for n, (days, kg) in enumerate(
            [(9, 60), (5, 80), (0, 81)])),
        reading("other", 70, NOON - DAY, "q", WEIGHT, "kg"),
        reading("fast", 110, NOON),
    )  # fmt: skip
    assert ward.alerts() == []
    ward.put(reading("w9", 82.5, NOON + MINUTE, code=WEIGHT, unit="kg"))
    ward.put(reading("spo2", 88, NOON, code="2708-6", unit="%"), reading("fast2", 115, NOON + MINUTE))
    assert [[two["reference"] for two in one["evidence"][0]["detail"]] for one in ward.alerts()] == [
        ["Observation/w1", "Observation/w2", "Observation/w9"],
        ["Observation/spo2", "Observation/fast2"],
    ]


def test_absence_is_noticed_by_the_clock(ward: Ward) -> None:
    """Readings that stay away raise an alert in time for who had some before, none for who never had."""
    ward.put(plan(by_the_clock(condition("%heart.empty()"), input=[looking_back("heart", 3)])))
    ward.put(reading("o", 70, NOON))
    ward.later(2 * DAY)
    assert ward.alerts() == []
    ward.later(2 * DAY)
    (alert,) = ward.alerts()
    assert alert["patient"] == {"reference": "Patient/p"}
    assert "evidence" not in alert
    ward.put(reading("o2", 70, ward.moment))
    ward.later(DAY)
    assert ward.phases() == ["calm"]
    ward.put(plan(status="retired"))
    ward.later(DAY)
    assert ward.sql("SELECT 1 FROM alert_look") == []


def test_a_rule_is_for_all_for_a_group_or_for_whose_care_plan_says_so(ward: Ward) -> None:
    """Population, group, protocol and a patient's own rule concern their patients, from when they do until they end."""
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True}
    member = {"member": [{"entity": {"reference": "Patient/q"}}]}
    ward.put(group, plan(subjectReference={"reference": "Group/g"}))
    ward.put(reading("g1", 130, NOON, "q"))
    assert ward.alerts() == []
    ward.put(group | member)
    ward.put(reading("g2", 130, NOON, "q"), reading("g3", 130, NOON, "p"))
    assert [one["patient"]["reference"] for one in ward.alerts()] == ["Patient/q"]
    protocol = plan(id="protocol", url="http://clinic.test/protocol", type_="clinical-protocol", version="1")
    ward.put(protocol, care_plan("c", "http://clinic.test/protocol|1"))
    own = plan(id="own", type_="clinical-protocol")
    del own["url"]
    ward.put(care_plan("own", "#own", contained=[own], subject={"reference": "Patient/q"}))
    ward.put(reading("p1", 131, NOON, "p"), reading("q1", 131, NOON, "q"))
    assert [one["patient"]["reference"] for one in ward.alerts()] == ["Patient/q", "Patient/p", "Patient/q"]
    ward.put(protocol | {"status": "retired"})
    assert ward.sql("SELECT plans, problem FROM alert_rule WHERE source = 'CarePlan/c'") == [
        (b"", "the status of http://clinic.test/protocol is retired")
    ]


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (plan(action(definitionCanonical="urn:no")),
         "action[0].definitionCanonical: there is no ActivityDefinition urn:no"),
        (plan(status="draft"), "its status is draft"),
        (plan(subjectReference={"reference": "Group/none"}), "there is no Group/none"),
        (care_plan("rule", "http://x.test/none"), "there is no PlanDefinition http://x.test/none"),
        (care_plan("rule", "#x", contained=[plan(id="x", subjectReference={"reference": "Group/g"})]),
         "a rule that a CarePlan puts in force is for its patient, and for no Group"),
        (care_plan("rule", "#x", contained=[plan(action(trigger=[{"type": "named-event", "name": "x"}]), id="x")]),
         "action[0].trigger[0].type 'named-event' is not understood: data-added, data-changed and periodic are"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_evaluated_says_why(ward: Ward, made: Json, problem: str) -> None:
    """What is not in force is never silently so."""
    ward.put(made)
    assert ward.sql("SELECT problem, plans FROM alert_rule") == [(problem, b"")]
    ward.put(reading("o", 200, NOON))
    assert ward.alerts() == []


def test_a_plan_that_names_nothing_keeps_no_rule_from_being_changed(ward: Ward) -> None:
    """A CarePlan whose canonical has lost its value ends what it stated, and its former rule can still be changed."""
    missing = {"extension": [{"url": "urn:x", "valueString": "unknown"}]}
    ward.put(plan(type_="clinical-protocol"))
    ward.put(care_plan("c", "http://clinic.test/rule"))
    named = {"instantiatesCanonical": [None], "_instantiatesCanonical": [missing]}
    ward.put(care_plan("c", "http://clinic.test/rule") | named)
    ward.put(plan(action(condition("value > 100 '/min'"))))
    ward.put(reading("o", 110, NOON))
    assert len(ward.alerts()) == 1


def test_a_rule_may_have_a_url_of_any_length(ward: Ward) -> None:
    """A CarePlan puts it in force by that url, and it can be changed."""
    url = f"urn:{Random(1).randbytes(4000).hex()}"
    ward.put(plan(url=url, type_="clinical-protocol"))
    ward.put(care_plan("c", url))
    ward.put(plan(action(condition("value > 100 '/min'")), url=url, type_="clinical-protocol"))
    ward.put(reading("o", 110, NOON))
    assert len(ward.alerts()) == 1


def test_a_rule_that_fails_on_what_comes_says_so_and_others_go_on(ward: Ward) -> None:
    """Several values where one is meant fail that rule on that reading; the other rules of the batch are evaluated."""
    ward.put(plan(action(condition("code.coding.code.lower() = '8867-4'"), id="fails"), action(id="works")))
    two = reading("o", 130, NOON)
    two["code"]["coding"].append({"system": "urn:own", "code": "hr"})
    ward.put(two)
    assert len(ward.alerts()) == 1
    ((failure,),) = ward.sql("SELECT failure FROM alert_rule")
    assert failure.startswith("Heart rate high: ")


def test_a_patient_is_told_in_their_language(ward: Ward) -> None:
    """Communication and mail: the language that the Patient prefers, where the account has none."""
    ward.sql(
        "INSERT INTO account (username, role, fhir_user, password_hash, mail) VALUES"
        " ('ada', 'patient', 'Patient/p', '', 'ada@x.test') RETURNING 1"
    )
    spanish = [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "es"}]}}]
    doctor = [{"reference": "Practitioner/d"}]
    ward.put({"resourceType": "Patient", "id": "p", "generalPractitioner": doctor, "communication": spanish})
    rule = action(condition("value > 120 '/min'"))
    ward.put(plan({name: value for name, value in rule.items() if name != "textEquivalent"}))
    ward.put(reading("o1", 130, NOON))
    (said,) = [words for whom, words in ward.told() if whom == ["Patient/p"]]
    assert said.startswith("Una regla de su clínica")
    ((subject,),) = ward.sql("SELECT subject FROM mail")
    assert subject == "Algo nuevo en su clínica"


def test_people_are_told_in_their_hours_and_again_when_nobody_acknowledges(ward: Ward) -> None:
    """What can wait is told in the morning, then again unless somebody has acknowledged; mails say nothing more."""
    ward.sql("INSERT INTO account (username, password_hash, role, fhir_user, mail) VALUES"
             " ('d', '', 'practitioner', 'Practitioner/d', 'd@clinic.test')")  # fmt: skip
    ward.put(plan(action(action=[AGAIN], description="Look", textEquivalent="Your heart")))
    ward.moment = NOON + 11 * HOUR
    ward.put(reading("o", 130, ward.moment), reading("q1", 130, ward.moment, "q"))
    assert len(ward.alerts()) == 2
    assert ward.told() == []
    ward.later(8 * HOUR)
    assert sorted(ward.told()) == [
        (["Patient/p"], "Your heart"),
        (["Patient/q"], "Your heart"),
        (["Practitioner/d"], "Look"),
    ]
    ward.later(29 * MINUTE)
    assert len(ward.told()) == 3
    ward.later(MINUTE)
    assert ward.told()[3:] == [(["Practitioner/d"], "Still nobody")]
    assert (
        ward.sql("SELECT recipient, text FROM mail ORDER BY seq")
        == [
            (
                "d@clinic.test",
                f"There is a new alert about a patient of yours.\n\nSee {BASE.removesuffix('/fhir')}/account/alerts\n",
            )
        ]
        * 2
    )
    urgent = plan(action(priority="stat", action=[AGAIN]), id="stat")
    ward.moment = NOON + 35 * HOUR
    ward.put(urgent, reading("o2", 130, ward.moment))
    assert len(ward.told()) == 6
    alert = ward.alerts()[-1]
    ward.put(alert | {"mitigation": [{"action": {"text": "seen"}}]})
    ward.later(HOUR)
    assert len(ward.told()) == 6


def test_patients_are_told_by_their_own_clock(ward: Ward) -> None:
    """Where it is night at the clinic and not for the patient, the patient is told at once, the team in the morning."""
    zone = {"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "America/Los_Angeles"}
    doctor = [{"reference": "Practitioner/d"}]
    ward.put({"resourceType": "Patient", "id": "q", "extension": [zone], "generalPractitioner": doctor})
    ward.put(plan(action(action=[AGAIN], description="Look", textEquivalent="Your heart")))
    ward.moment = NOON + 13 * HOUR  # one in the morning, and five in the afternoon there
    ward.put(reading("o", 130, ward.moment), reading("q1", 130, ward.moment, "q"))
    assert ward.told() == [(["Patient/q"], "Your heart")]
    ward.later(6 * HOUR)
    assert sorted(ward.told()) == [
        (["Patient/p"], "Your heart"),
        (["Patient/q"], "Your heart"),
        (["Practitioner/d"], "Look"),
        (["Practitioner/d"], "Look"),
    ]


def test_what_an_alert_rests_on_hides_it_too(ward: Ward) -> None:
    """An alert and what tells of it have the security labels of its evidence."""
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    ward.put(plan())
    ward.put(reading("o", 130, NOON) | {"meta": {"security": [label]}})
    assert [one["meta"]["security"] for one in (*ward.alerts(), *ward.all("Communication"))] == [[label]] * 3


def test_an_alert_has_the_labels_of_all_that_it_rests_on(ward: Ward) -> None:
    """Also of readings that are too many to be named."""
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    ward.put(reading("o", 100, NOON - HOUR) | {"meta": {"security": [label]}})
    ward.put(*[reading(f"o{n}", 100, NOON - n * MINUTE) for n in range(1, 25)])
    counted = condition("value > 120 '/min' and %day.count() > 20")
    ward.put(plan(action(counted, input=[looking_back("day", 1)])))
    ward.put(reading("high", 130, NOON))
    (alert,) = ward.alerts()
    assert alert["meta"]["security"] == [label]
    assert len(alert["evidence"][0]["detail"]) == 20


def test_who_is_deleted_keeps_nobody_from_being_told(ward: Ward) -> None:
    """Escalations of others go on where a Patient with an open alert is gone."""
    ward.put(plan(action(action=[AGAIN])))
    ward.put(reading("o1", 130, NOON), reading("o2", 130, NOON, "q"))
    ward.clinic.delete("Patient", "q")
    ward.later(HOUR)
    assert ward.told()[-1] == (["Practitioner/d"], "Still nobody")


def test_a_look_that_fails_keeps_nobody_from_being_told(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """Escalations are told before rules are looked at, in a transaction of their own."""
    ward.put(plan(action(action=[AGAIN])))
    ward.put(reading("o", 130, NOON))

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(due, "look", fails)
    ward.moment += HOUR
    with pytest.raises(ZeroDivisionError), ward.pool.connection() as connection:
        ward.step(connection)
    assert ward.told()[-1] == (["Practitioner/d"], "Still nobody")


def of(patient: str, *resources: Json) -> list[Json]:
    """Resources that a merge has moved to a patient."""
    names = {"Observation": "subject", "DetectedIssue": "patient"}
    return [one | {names[one["resourceType"]]: {"reference": f"Patient/{patient}"}} for one in resources]


STANDS = """SELECT k.id, s.phase, s.rule FROM alert_state s JOIN patient_key k ON k.pat = s.pat
            WHERE s.issue IS NOT NULL ORDER BY 1, 3"""


def test_an_alert_goes_with_the_patient_who_is_merged(ward: Ward) -> None:
    """It is raised once, stands with the Patient that stays, whose team is told further, and goes back with them."""
    team = {"resourceType": "CareTeam", "id": "t", "status": "active", "subject": {"reference": "Patient/q"},
            "participant": [{"member": {"reference": "Practitioner/e"}}]}  # fmt: skip
    ward.put({"resourceType": "Practitioner", "id": "e"}, team, plan(action(action=[AGAIN])))
    first = reading("o", 130, NOON)
    ward.put(first)
    (alert,) = ward.alerts()
    ward.put({"resourceType": "Patient", "id": "p", "active": False}, *of("q", first, alert))
    assert len(ward.alerts()) == 1
    key = "PlanDefinition/rule#a"
    assert ward.sql(STANDS) == [("q", "open", key)]
    ward.later(HOUR)
    sent = ward.all("Communication")[-1]
    assert (sent["subject"], sent["recipient"]) == ({"reference": "Patient/q"}, [{"reference": "Practitioner/e"}])
    ward.put({"resourceType": "Patient", "id": "q"}, *of("p", first, alert))
    assert ward.sql(STANDS) == [("p", "open", key)]


def test_two_alerts_of_one_rule_outlive_a_merge(ward: Ward) -> None:
    """Where the Patient that stays has an alert by the same rule both stay open, each until it is resolved."""
    ward.put(plan())
    ward.put(reading("o1", 130, NOON), reading("o2", 130, NOON, "q"))
    theirs = next(one for one in ward.alerts() if one["patient"]["reference"] == "Patient/p")
    ward.put(*of("q", theirs))
    key = "PlanDefinition/rule#a"
    assert ward.sql(STANDS) == [("q", "open", key), ("q", "open", f"{key}~{theirs['id']}")]
    ward.put(resolve(theirs | {"patient": {"reference": "Patient/q"}}))
    assert [phase for _, phase, _ in ward.sql(STANDS)] == ["open", "held"]
    ward.put(*of("p", theirs))
    assert ward.sql(STANDS) == [("p", "open", key), ("q", "open", key)]


def test_who_moves_an_alert_locks_in_the_order_of_who_raises_one(ward: Ward) -> None:
    """While the row whose place an alert takes is held by another, the later one of the two is not locked: nobody waits
    in a circle.
    """
    ward.put(plan())
    ward.put(reading("o", 130, NOON))
    ward.put({"resourceType": "Patient", "id": "q"})
    ((issue, first),) = ward.sql("SELECT issue, pat FROM alert_state")
    ((second,),) = ward.sql("SELECT pat FROM patient_key WHERE id = 'q'")
    low, high = sorted((first, second))
    ward.sql("UPDATE alert_state SET pat = %s WHERE issue = %s", high, issue)
    ward.sql("UPDATE resource SET pat = %s WHERE id = %s", low, issue)
    ward.sql(
        "INSERT INTO alert_state (rule, pat, phase, at, rank) SELECT rule, %s, 'armed', at, 0 FROM alert_state", low
    )

    def follow() -> None:
        with ward.pool.connection() as connection:
            run(connection, follow_people([issue], NOON, (BASE,)))

    with ward.pool.connection() as other, other.transaction():
        other.execute("SELECT FROM alert_state WHERE pat = %s FOR UPDATE", (low,))
        mover = Thread(target=follow)
        mover.start()
        wait_until(lambda: bool(ward.sql("SELECT 1 FROM pg_locks WHERE NOT granted")), "the mover to wait")
        other.execute("SELECT FROM alert_state WHERE pat = %s FOR UPDATE NOWAIT", (high,))
    mover.join()
    assert ward.sql("SELECT pat, issue FROM alert_state") == [(low, issue)]


def test_several_workers_make_one_alert(ward: Ward) -> None:
    """Readings of one patient that several workers handle at once raise one alert."""
    ward.put(plan())
    for n in range(40):
        ward.clinic.put(reading(f"o{n}", 130 + n, NOON + n * MINUTE))
    moment = ward.moment

    def work() -> None:
        consumers = {"resource": (watch.consumer(QUIET),)}
        with ward.pool.connection() as connection:
            while drain(connection, consumers):
                pass

    ward.sql("UPDATE outbox SET due = now()")
    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ward.work()
    assert ward.moment is moment
    assert len(ward.alerts()) == 1
    assert len(ward.told()) == 2


def test_a_worker_that_is_killed_in_between_leaves_nothing(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """When handling breaks after the alert was written, alert, message and event are as before, and made once later."""
    ward.put(plan())
    ward.clinic.put(reading("o", 130, NOON))

    class Killed(BaseException):
        pass

    def killed(*_: object) -> Callable[..., None]:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(watch, "tell_failures", killed)
        with pytest.raises(Killed), ward.pool.connection() as connection:
            drain(connection, ward.consumers)
    assert ward.alerts() == []
    assert ward.sql("SELECT 1 FROM alert_state") == []
    ward.work()
    assert len(ward.alerts()) == 1
    assert len(ward.told()) == 2
