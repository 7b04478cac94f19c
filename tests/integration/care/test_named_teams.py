"""Teams and groups that a Consent names are not for those to change whom it concerns."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.care import memberships, relationships
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext
from tests.support.consents import actors, classes, consent, deny, permit
from tests.support.fhir_server import change, do
from tests.support.gate import Pool
from tests.support.search import BASE, Clinic

Json = dict[str, Any]
OF_P = {"subject": {"reference": "Patient/p"}}
TEAM = {"resourceType": "CareTeam", "status": "active", **OF_P}
OBSERVATIONS = classes("Observation")
LETS_T = deny(permit(actor=actors("CareTeam/t")), class_=OBSERVATIONS)
LETS_G = deny(permit(actor=actors("Group/g")), class_=OBSERVATIONS)
DENIES_T = deny(actor=actors("CareTeam/t"), class_=OBSERVATIONS)


def team(id_: str, *members: str) -> Json:
    """A team of the patient."""
    return {**TEAM, "id": id_, "participant": [{"member": {"reference": one}} for one in members]}


def group(*members: str) -> Json:
    """A group in the record of the patient."""
    named = [{"entity": {"reference": one}} for one in ("Patient/p", *members)]
    return {"resourceType": "Group", "id": "g", "type": "person", "actual": True, "member": named}


@pytest.fixture
def clinic(pool: Pool) -> Clinic:
    """A patient in the care of the doctors d and e; d is in the team t, and that in the group g."""
    clinic = Clinic(pool)
    gp = [{"reference": f"Practitioner/{id_}"} for id_ in ("d", "e")]
    clinic.put(
        {"resourceType": "Patient", "id": "p", "generalPractitioner": gp},
        {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}, **OF_P},
        team("t", "Practitioner/d"),
        team("u", "Practitioner/d"),
        group("CareTeam/t"),
    )
    _follow(clinic)
    return clinic


def _follow(clinic: Clinic) -> None:
    with clinic.pool.connection() as connection:
        while drain(connection, {"resource": [relationships.handle, memberships.consumer((BASE,))]}):
            pass


def _is_made(pool: Pool, who: AccessContext, asked: Change) -> bool:
    """Whether a change is made; a deletion that is not open is answered like one of nothing, the rest is forbidden."""
    if asked.method is Method.DELETE:
        (outcome,) = do(pool, lambda: commit(who, [asked]))
        return bool(outcome.changed)
    try:
        do(pool, lambda: commit(who, [asked]))
    except HealixError as error:
        if error.category is not Category.FORBIDDEN:
            raise
        return False
    return True


JOINED = team("t", "Practitioner/d", "Practitioner/e")
LEFT = team("t", "Practitioner/e")


@pytest.mark.parametrize(
    ("rule", "who", "asked"),
    [
        (LETS_T, "e", change(Method.PUT, JOINED, "t")),
        (LETS_G, "e", change(Method.PUT, JOINED, "t")),
        (LETS_G, "e", change(Method.PUT, group("CareTeam/t", "Practitioner/e"), "g")),
        (DENIES_T, "d", change(Method.PUT, LEFT, "t")),
        (DENIES_T, "d", change(Method.DELETE, LEFT, "t")),
    ],
    ids=["join", "join what belongs to it", "join a group", "leave", "delete"],
)
@pytest.mark.parametrize("scope", ["user/*.cruds", "patient/*.cruds"])
def test_who_is_in_care_changes_no_team_that_a_consent_names(
    clinic: Clinic, pool: Pool, rule: Json, who: str, asked: Change, scope: str
) -> None:
    """What the patient permits or denies to a team stays so, until the patient or a system changes the team."""
    clinic.put(consent("c", rule))
    _follow(clinic)
    doctor = clinic.access(scope, patient="p", practitioner=who)
    assert clinic.ids("Observation", doctor) == []
    assert not _is_made(pool, doctor, asked)
    _follow(clinic)
    assert clinic.ids("Observation", doctor) == []
    patient = clinic.access("patient/*.cruds", patient="p")
    assert _is_made(pool, patient, asked)
    _follow(clinic)
    assert clinic.ids("Observation", doctor) == ["o"]


def test_other_teams_are_changed_as_before(clinic: Clinic, pool: Pool) -> None:
    """Who cares for a patient lets others in, where no Consent names the team."""
    clinic.put(consent("c", LETS_T))
    doctor = clinic.access("user/*.cruds", practitioner="d")
    assert _is_made(pool, doctor, change(Method.PUT, team("u", "Practitioner/d", "Practitioner/e"), "u"))
    assert _is_made(pool, doctor, change(Method.PUT, team("u"), "u"))
