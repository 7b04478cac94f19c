"""Relationships by invitation: who may accept what, once, and what an end closes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from healix_fhir.care.circle.circle import EMERGENCY, circle
from healix_fhir.care.circle.joining import join
from healix_fhir.care.circle.leaving import Ended, leave
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from smart_auth.account import care_invitation as invitations
from smart_auth.person import find_person
from smart_auth.scope import parse
from tests.integration.care.test_relationships import ref, seen, team, work
from tests.support.fhir_server import SYSTEM, serve
from tests.support.gate import Pool, user
from tests.support.operation import run
from tests.support.search import BASE, Clinic

Json = dict[str, Any]
BASES = (BASE,)
SCOPE = parse("user/*.cruds")


@pytest.fixture
def clinic(pool: Pool) -> Clinic:
    """The patients p1 ("ada") and p2 ("bob"), the clinicians d ("dr") and e ("other"), who care for nobody yet."""
    clinic = Clinic(pool)
    for id_, username in (("p1", "ada"), ("p2", "bob")):
        clinic.put({"resourceType": "Patient", "id": id_})
        user(pool, username, role="patient", fhir_user=f"Patient/{id_}")
    for id_, username in (("d", "dr"), ("e", "other")):
        user(pool, username, role="practitioner", fhir_user=f"Practitioner/{id_}")
    return clinic


def of(pool: Pool, username: str) -> AccessContext:
    """The access of an account as pages have it."""
    origin = Origin("portal", username)
    if username in ("dr", "other"):
        return AccessContext(SCOPE, origin, practitioner={"dr": "d", "other": "e"}[username])
    person = transaction(pool, lambda: find_person(username))
    return AccessContext(SCOPE, origin, {"ada": "p1", "bob": "p2"}[username], person.own, person=person)


def invite(pool: Pool, username: str, invited: str = "", **whom: str) -> str:
    """A code, or for an account the invitation's id."""
    code = transaction(
        pool,
        lambda: invitations.invite(Origin("portal", username), username, invited=invited, **whom),
    )
    return code or transaction(pool, lambda: invitations.sent(username))[0].id


def take(pool: Pool, username: str, patient: str = "", **by: str) -> str:
    """Accept as an account."""
    return transaction(pool, lambda: join(of(pool, username), BASES, patient=patient, **by))


def refused(pool: Pool, username: str, patient: str = "", **by: str) -> str:
    """What is said to who may not accept."""
    with pytest.raises(HealixError) as caught:
        take(pool, username, patient, **by)
    assert caught.value.category is Category.NOT_FOUND
    return caught.value.message


def rows(pool: Pool, sql: str) -> list[Any]:
    """What a statement finds."""
    with pool.connection() as connection:
        return connection.execute(sql.encode()).fetchall()


def test_a_code_opens_the_record_once(clinic: Clinic, pool: Pool) -> None:
    """A patient's code opens the record to the clinician who has it, at once; used again it opens nothing."""
    code = invite(pool, "ada", patient="p1")
    assert len(refused(pool, "bob", "p2", code=code)) > 0  # of the same side: the code stays good
    take(pool, "dr", code=code.lower().replace("-", " "))
    assert seen(clinic, "d") == {"p1"}
    said = {refused(pool, "other", code=code), refused(pool, "other", code="0000-0000-0000-0000")}
    assert said == {refused(pool, "other", code="")}
    refused(pool, "other", code=invite(pool, "dr", practitioner="d"))  # a clinician's, for patients
    refused(pool, "dr", code=invite(pool, "dr", practitioner="d"))
    assert seen(clinic, "e") == set()
    words = rows(pool, "SELECT subtype, account, patient FROM audit_event WHERE subtype LIKE 'care-%' ORDER BY seq")
    assert words[:2] == [("care-invite", "ada", "p1"), ("care-accept", "dr", "p1")]


def test_an_account_is_invited_and_nobody_else(clinic: Clinic, pool: Pool) -> None:
    """What names an account is accepted by that account alone, for its own record alone."""
    to_bob = invite(pool, "dr", " Bob", practitioner="d")
    assert [one.practitioner for one in transaction(pool, lambda: invitations.received("bob", clinical=False))] == ["d"]
    refused(pool, "ada", "p1", id_=to_bob)
    refused(pool, "other", id_=to_bob)
    refused(pool, "bob", "p1", id_=to_bob)
    assert seen(clinic, "d") == set()
    take(pool, "bob", "p2", id_=to_bob)
    assert seen(clinic, "d") == {"p2"}
    invite(pool, "dr", "nobody", practitioner="d")  # answered like any other
    assert [one.invited for one in transaction(pool, lambda: invitations.sent("dr"))] == ["nobody"]


def test_many_at_once_make_one_team(clinic: Clinic, pool: Pool) -> None:
    """Of any number who accept at once one does; who is there already gets no second team."""
    code = invite(pool, "ada", patient="p1")

    def attempt(_: int) -> bool:
        try:
            take(pool, "dr", code=code)
        except HealixError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(attempt, range(8))) == 1
    again = take(pool, "dr", code=invite(pool, "ada", patient="p1"))
    assert rows(pool, "SELECT source FROM care_relationship") == [(f"CareTeam/{again}",)]


@pytest.mark.parametrize("change", [
    "UPDATE ticket SET expires = now()",
    "UPDATE account SET disabled = true WHERE username = 'ada'",
    "UPDATE account SET fhir_user = 'Patient/p2' WHERE username = 'ada'",
    "UPDATE account SET role = 'admin' WHERE username = 'ada'",
])  # fmt: skip
def test_an_invitation_stands_while_who_invited_does(clinic: Clinic, pool: Pool, change: str) -> None:
    """What is over, and what was made by an account that is closed or another person's by now, opens nothing."""
    code = invite(pool, "ada", patient="p1")
    with pool.connection() as connection:
        connection.execute(change.encode())
    refused(pool, "dr", code=code)
    assert seen(clinic, "d") == set()


def test_what_was_taken_back_or_declined_is_gone(clinic: Clinic, pool: Pool) -> None:
    """Only who made an invitation takes it back, and only whom it is for declines it."""
    origin = Origin("portal", "x")
    waiting = invite(pool, "ada", "dr", patient="p1")
    assert not transaction(pool, lambda: invitations.withdraw(origin, "bob", waiting))
    assert not transaction(pool, lambda: invitations.decline(origin, "other", waiting, clinical=True))
    assert transaction(pool, lambda: invitations.withdraw(origin, "ada", waiting))
    refused(pool, "dr", id_=waiting)
    waiting = invite(pool, "ada", "dr", patient="p1")
    assert transaction(pool, lambda: invitations.decline(origin, "dr", waiting, clinical=True))
    refused(pool, "dr", id_=waiting)


def test_so_many_invitations_wait(clinic: Clinic, pool: Pool) -> None:
    """Nobody fills the table."""
    for _ in range(invitations.OPEN_AT_ONCE):
        invite(pool, "dr", "somebody", practitioner="d")
    with pytest.raises(HealixError) as caught:
        invite(pool, "dr", practitioner="d")
    assert caught.value.category is Category.CONFLICT


@pytest.mark.parametrize("create", [True, False])
def test_a_clinician_lets_nobody_in_by_writing(database_url: str, clinic: Clinic, pool: Pool, create: bool) -> None:
    """A CareTeam of a record that is closed to its writer is refused, however it is written."""

    async def forge(server: Interactions) -> Any:
        body = encode({key: value for key, value in team("t", "p1", "d").items() if not create or key != "id"})
        if create:
            return await server.create(of(pool, "dr"), "CareTeam", body)
        return await server.update(of(pool, "dr"), "CareTeam", "t", body)

    with pytest.raises(HealixError) as caught:
        serve(database_url, forge)
    assert caught.value.category is Category.FORBIDDEN
    work(pool)
    assert seen(clinic, "d") == set()


def related(clinic: Clinic, pool: Pool) -> None:
    """The clinician d cares for p1 in every way there is, e in a team too."""
    clinic.put(
        {"resourceType": "Patient", "id": "p1", "generalPractitioner": [ref("Practitioner/d"), ref("Practitioner/e")]},
        {"resourceType": "PractitionerRole", "id": "role", "active": True, "practitioner": ref("Practitioner/d")},
        team("t", "p1", "d"),
        team("u", "p1", "d", participant=[{"member": ref("PractitionerRole/role")}, {"member": ref("Practitioner/e")}]),
        {
            "resourceType": "Encounter", "id": "v", "status": "in-progress", "class": {"code": "AMB"},
            "subject": ref("Patient/p1"), "participant": [{"individual": ref("Practitioner/d")}],
        },
    )  # fmt: skip
    work(pool)
    assert (seen(clinic, "d"), seen(clinic, "e")) == ({"p1"}, {"p1"})


def stored(pool: Pool, id_: str) -> Json:
    """A resource."""
    return decode(bytes(rows(pool, f"SELECT body FROM resource WHERE id = '{id_}'")[0][0]))


@pytest.mark.parametrize(("by", "patient"), [("ada", "p1"), ("dr", "p1")])
def test_an_end_closes_the_record_at_once(clinic: Clinic, pool: Pool, by: str, patient: str) -> None:
    """By the patient or the clinician, whatever stated the relationship; the others stay, and the history does."""
    related(clinic, pool)
    assert transaction(pool, lambda: leave(of(pool, by), "d", patient, BASES)) == Ended(4, 0)
    assert (seen(clinic, "d"), seen(clinic, "e")) == (set(), {"p1"})
    assert [stored(pool, id_)["status"] for id_ in ("t", "u", "v")] == ["inactive", "active", "in-progress"]
    assert stored(pool, "p1")["generalPractitioner"] == [ref("Practitioner/e")]
    assert stored(pool, "t")["participant"][0]["member"] == ref("Practitioner/d")
    work(pool)
    assert seen(clinic, "d") == set()
    ends = rows(pool, "SELECT account, patient, entity FROM audit_event WHERE subtype = 'care-end'")
    assert ends == [(by, "p1", "Practitioner/d")]
    if by == "ada":
        assert transaction(pool, lambda: leave(of(pool, by), "d", patient, BASES)) == Ended(0, 0)


def test_others_end_nothing(clinic: Clinic, pool: Pool) -> None:
    """Another patient changes nothing; nor does who has been ended by now."""
    related(clinic, pool)
    assert transaction(pool, lambda: leave(of(pool, "bob"), "d", "p1", BASES)) == Ended(0, 4)
    assert seen(clinic, "d") == {"p1"}


def test_who_has_access_and_why(clinic: Clinic, pool: Pool) -> None:
    """Each person once, with every reason; emergencies are told and end by themselves."""
    related(clinic, pool)
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO care_relationship (practitioner, pat, source, starts, ends, emergency)"
            " SELECT 'f', pat, '$break-glass/x', now(), now() + interval '1 hour', true"
            " FROM patient_key WHERE id = 'p1'"
        )
    found = {one.who: one for one in transaction(pool, lambda: circle("p1"))}
    assert {who: [reason.why for reason in one.reasons] for who, one in found.items()} == {
        "d": ["CareTeam", "CareTeam", "Encounter", "Patient"],
        "e": ["CareTeam", "Patient"],
        "f": [EMERGENCY],
    }
    assert all(reason.since is not None for one in found.values() for reason in one.reasons)
    assert [found[who].endable for who in "def"] == [True, True, False]


def called(url: str, pool: Pool, username: str, name: str, **given: str) -> Json:
    """What an operation on CareTeam answers an account's app, by the names of its parameters."""

    async def use(server: Interactions) -> Any:
        parts = [{"name": key, "valueString": value} for key, value in given.items()]
        body = encode({"resourceType": "Parameters", "parameter": parts}) if parts else b""
        return decode(await run(name, server, of(pool, username), Invocation((), body, "CareTeam")))

    told: list[Json] = serve(url, use)["parameter"]
    return {one["name"]: next(value for key, value in one.items() if key != "name") for one in told}


def test_apps_invite_and_accept_over_fhir(database_url: str, clinic: Clinic, pool: Pool) -> None:
    """A patient's app offers the record, a clinician's accepts it, and the other way round; no other record."""
    code = called(database_url, pool, "ada", "invite")["code"]
    with pytest.raises(HealixError) as caught:
        called(database_url, pool, "bob", "invite", patient="Patient/p1")
    assert caught.value.category is Category.FORBIDDEN
    with pytest.raises(HealixError) as caught:
        called(database_url, pool, "bob", "accept", code=code)
    assert caught.value.category is Category.NOT_FOUND
    reference = called(database_url, pool, "dr", "accept", code=code)["return"]["reference"]
    work(pool)
    assert seen(clinic, "d") == {"p1"}
    assert stored(pool, reference.partition("/")[2])["participant"][0]["member"] == ref("Practitioner/d")
    assert called(database_url, pool, "other", "invite", to="bob").keys() == {"seconds"}
    code = called(database_url, pool, "other", "invite")["code"]
    called(database_url, pool, "bob", "accept", code=code)
    work(pool)
    assert seen(clinic, "e") == {"p2"}
    for wrong in ({"to": "a\0b"}, {"patient": "p1"}):
        with pytest.raises(HealixError) as caught:
            called(database_url, pool, "dr", "invite", **wrong)
        assert caught.value.category is Category.INVALID


def test_the_servers_own_tokens_invite_nobody(database_url: str, clinic: Clinic) -> None:
    """A token of no person is of neither side."""

    async def use(server: Interactions) -> Any:
        return await run("invite", server, SYSTEM, Invocation((), b"", "CareTeam"))

    with pytest.raises(HealixError) as caught:
        serve(database_url, use)
    assert caught.value.category is Category.FORBIDDEN
