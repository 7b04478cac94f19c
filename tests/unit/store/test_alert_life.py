"""The life of an alert, step by step."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from healix_fhir.kernel.errors import Category
from healix_fhir.store.lifecycle.detected_issue import rule
from healix_fhir.store.lifecycle.step import Actor, Step

CODES = ("preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error")
ALLOWED = """
preliminary: final cancelled entered-in-error
final: preliminary amended corrected entered-in-error
amended: preliminary corrected entered-in-error
corrected: preliminary amended entered-in-error
cancelled: preliminary entered-in-error
entered-in-error:
"""
TABLE = {
    (was, becomes)
    for line in ALLOWED.strip().splitlines()
    for was, _, rest in [line.partition(":")]
    for becomes in rest.split()
}


def alert(status: str = "preliminary", **more: Any) -> dict[str, Any]:
    """An alert of a rule."""
    mark = {"system": "urn:healix:alert", "value": "PlanDefinition/x#a"}
    return {"status": status, "identifier": [mark], "patient": {"reference": "Patient/p"}} | more


@pytest.mark.parametrize("actor", [Actor.SYSTEM, Actor.PRACTITIONER])
@pytest.mark.spec("FHIR R4 valueset-observation-status.html")
def test_each_step_is_allowed_or_refused_by_name(actor: Actor) -> None:
    """All pairs of codes; the refusal names the element."""
    for was, becomes in product(CODES, CODES):
        refusal = rule(Step("DetectedIssue", actor, alert(was), alert(becomes)))
        assert (refusal is None) == (was == becomes or (was, becomes) in TABLE), (was, becomes)
        if refusal is not None:
            assert refusal.category is Category.UNPROCESSABLE
            assert refusal.issues[0].expression == ("DetectedIssue.status",)


def test_patients_do_not_deal_with_their_alerts() -> None:
    """Status, mitigation and an end are for those who treat; so is what an alert says, and its labels; a tag is not."""
    treated = alert(mitigation=[{"action": {"text": "seen"}}])
    for after in (alert("final"), treated, None):
        assert rule(Step("DetectedIssue", Actor.PATIENT, alert(), after)) is not None
        assert rule(Step("DetectedIssue", Actor.PRACTITIONER, alert(), after)) is None
    changes: list[dict[str, Any]] = [
        {"severity": "low"}, {"detail": "x"}, {"evidence": []}, {"implicated": []}, {"text": {"status": "generated"}},
        {"meta": {"security": []}},
    ]  # fmt: skip
    for more in changes:
        refusal = rule(Step("DetectedIssue", Actor.PATIENT, alert(), alert(**more)))
        assert refusal is not None, more
        assert refusal.issues[0].expression == (f"DetectedIssue.{next(iter(more))}",)
        assert rule(Step("DetectedIssue", Actor.PRACTITIONER, alert(), alert(**more))) is None
    tagged = alert(meta={"tag": [{"code": "x"}], "versionId": "2"})
    assert rule(Step("DetectedIssue", Actor.PATIENT, alert(meta={"versionId": "1"}), tagged)) is None


def test_patients_make_no_alerts() -> None:
    """What would be taken for an alert of the server is none of a patient's to write, new or in place of another."""
    for before in (None, alert(identifier=[])):
        assert rule(Step("DetectedIssue", Actor.PATIENT, before, alert())) is not None
        assert rule(Step("DetectedIssue", Actor.SYSTEM, before, alert())) is None


def test_what_an_alert_is_about_stays() -> None:
    """Nobody gives an alert to another patient or rule; a system does, as when Patients are merged."""
    others: list[dict[str, Any]] = [{"patient": {"reference": "Patient/q"}}, {"identifier": []}]
    for more in others:
        assert rule(Step("DetectedIssue", Actor.PRACTITIONER, alert(), alert(**more))) is not None
        assert rule(Step("DetectedIssue", Actor.SYSTEM, alert(), alert(**more))) is None


def test_other_issues_have_no_rules() -> None:
    """A DetectedIssue that no rule raised is changed as any resource."""
    other = alert("entered-in-error", identifier=[])
    assert rule(Step("DetectedIssue", Actor.PATIENT, other, alert("final", identifier=[]))) is None
    assert rule(Step("DetectedIssue", Actor.PATIENT, None, other)) is None
