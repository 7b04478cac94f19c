"""$acknowledge, $resolve and $alert-rule: by whom, once, and what they leave."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from healix_fhir.care import relationships
from healix_fhir.care.alerts import watch
from healix_fhir.care.alerts.clinic import Clinic as Settled
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.alerts import action, care_plan, plan
from tests.support.fhir_server import SYSTEM, Pool, serve
from tests.support.operation import run
from tests.support.search import BASE, Clinic

Json = dict[str, Any]
ALERT: Json = {
    "resourceType": "DetectedIssue",
    "id": "a",
    "identifier": [{"system": "urn:healix:alert", "value": "PlanDefinition/r#a"}],
    "status": "preliminary",
    "patient": {"reference": "Patient/p"},
}


@pytest.fixture
def clinic(pool: Pool) -> Clinic:
    """An alert about a patient in the care of one practitioner."""
    clinic = Clinic(pool)
    doctor = [{"reference": "Practitioner/d"}]
    clinic.put({"resourceType": "Patient", "id": "p", "generalPractitioner": doctor}, ALERT)
    work(clinic)
    return clinic


def work(clinic: Clinic) -> None:
    """What the job worker does."""
    consumers = {"resource": (relationships.consumer((BASE,)), watch.consumer(Settled((BASE,), UTC)))}
    with clinic.pool.connection() as connection:
        while drain(connection, consumers):
            pass


def call(url: str, name: str, access: AccessContext, path: str = "DetectedIssue/a", note: str | None = None) -> Json:
    """The answer of an operation."""
    kind, _, id_ = path.partition("/")
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "note", "valueString": note}]}

    async def use(server: Interactions) -> Json:
        body = b"" if note is None else encode(parameters)
        return decode(await run(name, server, access, Invocation((), body, kind, id_)))

    return serve(url, use)


def refused(url: str, name: str, access: AccessContext, **more: Any) -> Category:
    """Why a call is refused."""
    with pytest.raises(HealixError) as refusal:
        call(url, name, access, **more)
    return refusal.value.category


@pytest.mark.spec("FHIR R4 detectedissue-definitions.html#DetectedIssue.mitigation")
def test_those_who_treat_deal_with_an_alert(clinic: Clinic, database_url: str) -> None:
    """It leaves who, when and what was said; others learn of no alert, patients are refused, the end comes once."""
    doctor = clinic.access("user/DetectedIssue.ru", practitioner="d")
    stranger = clinic.access("user/DetectedIssue.ru", practitioner="e")
    patient = clinic.access("patient/DetectedIssue.ru", patient="p")
    for name in ("acknowledge", "resolve"):
        assert refused(database_url, name, stranger) is Category.NOT_FOUND
        assert refused(database_url, name, patient) is Category.FORBIDDEN
        assert (
            refused(database_url, name, clinic.access("user/DetectedIssue.r", practitioner="d")) is Category.FORBIDDEN
        )
        assert refused(database_url, name, doctor, note="x" * 1001) is Category.INVALID
        assert refused(database_url, name, doctor, path="DetectedIssue/b") is Category.NOT_FOUND
    seen = call(database_url, "acknowledge", doctor, note="  called \n her ")
    assert seen["status"] == "preliminary"
    (mitigation,) = seen["mitigation"]
    assert mitigation["action"]["text"] == "called her"
    assert mitigation["author"] == {"reference": "Practitioner/d"}
    ended = call(database_url, "resolve", SYSTEM)
    assert (ended["status"], ended["mitigation"][1]["action"]["text"]) == ("final", "Resolved")
    assert "author" not in ended["mitigation"][1]
    assert refused(database_url, "acknowledge", doctor) is Category.CONFLICT
    unknown = {"_status": {"extension": [{"url": "urn:x", "valueString": "unknown"}]}}
    clinic.put({"resourceType": "DetectedIssue", "id": "n", "patient": ALERT["patient"]} | unknown)
    assert refused(database_url, "acknowledge", doctor, path="DetectedIssue/n") is Category.CONFLICT


def test_a_rule_tells_how_it_stands(clinic: Clinic, database_url: str) -> None:
    """Active, inactive with its reason, or not read yet; to who may read the resource alone."""
    clinic.put(
        plan(id="r"), plan(action(dynamicValue=[{"path": "x"}]), id="odd", url="urn:x"), care_plan("c", "urn:none")
    )

    def told(path: str, access: AccessContext = SYSTEM) -> Json:
        answer = call(database_url, "alert-rule", access, path)
        return {one["name"]: one.get("valueCode", one.get("valueString")) for one in answer["parameter"]}

    assert told("PlanDefinition/r") == {"state": "unread"}
    work(clinic)
    assert told("PlanDefinition/r") == {"state": "active"}
    assert told("PlanDefinition/odd") == {
        "state": "inactive", "problem": "action[0].dynamicValue is not understood",
    }  # fmt: skip
    doctor = clinic.access("user/CarePlan.r", practitioner="d")
    assert told("CarePlan/c", doctor)["problem"] == "there is no PlanDefinition urn:none"
    stranger = clinic.access("user/CarePlan.r", practitioner="e")
    assert refused(database_url, "alert-rule", stranger, path="CarePlan/c") is Category.NOT_FOUND


def test_a_rule_of_a_stranger_is_refused(clinic: Clinic, database_url: str) -> None:
    """Who has no relationship with a patient puts no rule in force for that patient, nor does anybody for all."""

    def write(access: AccessContext, resource: Json) -> None:
        async def use(server: Interactions) -> None:
            await server.create(access, resource["resourceType"], encode(resource))

        serve(database_url, use)

    rule = care_plan("c", "#rule", contained=[plan(id="rule", type_="clinical-protocol")])
    with pytest.raises(HealixError) as refusal:
        write(clinic.access("user/CarePlan.c", practitioner="e"), rule)
    assert refusal.value.category is Category.FORBIDDEN
    with pytest.raises(HealixError) as refusal:
        write(clinic.access("user/PlanDefinition.c", practitioner="d"), plan())
    assert refusal.value.category is Category.FORBIDDEN
    write(clinic.access("user/CarePlan.c", practitioner="d"), rule)
    work(clinic)
    assert [problem for (problem,) in clinic.run("SELECT problem FROM alert_rule WHERE plans <> ''")] == [None]
