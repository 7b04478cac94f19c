"""Goals are followed from the outbox, and tell their progress."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

import pytest

from healix_fhir.care import glance
from healix_fhir.care.goals.follow import consumer, follow, follow_all, onlooker
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.fhir_server import SYSTEM, Pool, of_patient, serve
from tests.support.goals import goal, observation, quantity
from tests.support.operation import run
from tests.support.search import BASE, Clinic

Json = dict[str, Any]
BASES = (BASE,)
HANDLE = (consumer(BASES, UTC), glance.consumer(onlooker(BASES, UTC)))


def day(ago: int) -> str:
    """A day, so many ago."""
    return (clock.now() - timedelta(days=ago)).date().isoformat()


def weight(ago: int, value: str, **elements: Any) -> Json:
    """A weight of the morning, so many days ago."""
    return observation(f"{day(ago)}T00:00:01Z", value, id=f"w{ago}", subject={"reference": "Patient/p"}, **elements)


def wanted(**elements: Any) -> Json:
    """Two weeks ago the patient began, to come to 80 kg."""
    return goal({"detailQuantity": quantity("80", comparator="<=")}, start=day(14)) | {"id": "g"} | elements


@pytest.fixture
def clinic(pool: Pool) -> Clinic:
    """A patient who weighed 90 kg."""
    clinic = Clinic(pool)
    clinic.put({"resourceType": "Patient", "id": "p"}, {"resourceType": "Patient", "id": "q"}, weight(20, "90"))
    return clinic


def work(pool: Pool) -> None:
    """Handle all events that are due."""
    with pool.connection() as connection:
        while drain(connection, {"resource": HANDLE}):
            pass


def rows(pool: Pool, sql: str) -> list[Any]:
    """What a statement finds."""
    with pool.connection() as connection:
        return connection.execute(sql.encode()).fetchall()


def stored(pool: Pool) -> tuple[int, Json]:
    """The version and content of the goal."""
    ((version, body),) = rows(pool, "SELECT version, body FROM resource WHERE id = 'g'")
    return version, decode(bytes(body))


def code(resource: Json) -> str | None:
    """What a goal says of its achievement."""
    return next((one["code"] for one in resource.get("achievementStatus", {}).get("coding", ())), None)


@pytest.mark.parametrize("way", ["label", "consent"])
def test_what_is_hidden_from_somebody_moves_no_goal(pool: Pool, clinic: Clinic, way: str) -> None:
    """Others would learn from the Goal what it came to."""
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    secret = weight(1, "79", **({"meta": {"security": [label]}} if way == "label" else {}))
    denial = {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "policyRule": {"text": "x"},
        "patient": {"reference": "Patient/p"},
        "provision": {"type": "permit", "provision": [
            {"type": "deny", "data": [{"meaning": "instance", "reference": {"reference": "Observation/w1"}}]}]},
    }  # fmt: skip
    clinic.put(*([denial] if way == "consent" else []), secret, weight(5, "89"), wanted())
    work(pool)
    _, found = stored(pool)
    assert code(found) == "improving"
    assert not re.search("79|89|90", found["statusReason"])


def test_a_goal_of_another_server_is_moved_by_nobody_here(pool: Pool, clinic: Clinic) -> None:
    """The same id elsewhere is somebody else."""
    elsewhere = {"subject": {"reference": "http://elsewhere.test/fhir/Patient/p"}}
    clinic.put(weight(5, "79"), wanted(**elsewhere))
    work(pool)
    assert stored(pool)[0] == 1


def test_a_goal_moves_with_what_is_measured(pool: Pool, clinic: Clinic) -> None:
    """From its first version on, with a Provenance for each move; other codes, patients and statuses move nothing."""
    clinic.put(wanted())
    work(pool)
    assert (stored(pool)[0], code(stored(pool)[1])) == (2, "in-progress")
    clinic.put(weight(5, "86"))
    work(pool)
    version, found = stored(pool)
    assert (version, code(found)) == (3, "improving")
    assert found["statusReason"] == ("What is measured: wanted is at most 80 kg: not met.")
    clinic.put(
        observation(f"{day(1)}T08:00:00Z", "70", id="cm", code="8302-2", subject={"reference": "Patient/p"}),
        weight(2, "79") | {"id": "other", "subject": {"reference": "Patient/q"}},
        weight(2, "79", status="preliminary"),
    )
    work(pool)
    assert stored(pool)[0] == 3
    clinic.put(weight(2, "79"))
    work(pool)
    assert (stored(pool)[0], code(stored(pool)[1])) == (4, "achieved")
    clinic.delete("Observation", "w2")
    work(pool)
    assert (stored(pool)[0], code(stored(pool)[1])) == (5, "improving")
    told = rows(pool, "SELECT body FROM resource WHERE body LIKE '%Provenance%' ORDER BY pk")
    assert [decode(bytes(body))["target"][0]["reference"] for (body,) in told] == [
        f"Goal/g/_history/{n}" for n in (2, 3, 4, 5)
    ]
    assert rows(pool, "SELECT count(*) FROM audit_event WHERE client = 'goals' AND entity = 'Goal/g'") == [(4,)]


def test_events_that_come_again_and_workers_at_once_change_nothing_twice(pool: Pool, clinic: Clinic) -> None:
    """Several workers look at one goal at once, and again: there is one version and one Provenance."""
    clinic.put(wanted(), weight(5, "86"))
    with ThreadPoolExecutor(4) as threads:
        moved = list(threads.map(lambda _: transaction(pool, lambda: follow(["g"], BASES, UTC)), range(8)))
    work(pool)
    assert sorted(moved) == [0] * 7 + [1]
    assert stored(pool)[0] == 2
    assert rows(pool, "SELECT count(*) FROM resource WHERE body LIKE '%Provenance%'") == [(1,)]


@pytest.mark.parametrize("elements", [
    {"achievementStatus": {"coding": [{"code": "not-attainable"}]}}, {"lifecycleStatus": "on-hold"},
    {"target": []}, {"subject": {"reference": "Group/x"}},
])  # fmt: skip
def test_what_people_say_and_what_cannot_be_measured_is_left(pool: Pool, clinic: Clinic, elements: Json) -> None:
    """Statuses that a person set, goals that rest, and those without a number stay as they are."""
    clinic.put(wanted(**elements), weight(5, "86"))
    work(pool)
    assert sum(follow_all(pool, BASES, UTC)) == 0
    assert stored(pool)[0] == 1


def test_days_that_pass_are_seen_on_the_schedule(pool: Pool, clinic: Clinic) -> None:
    """A due date that passes without a measurement ends in not-achieved, though no event tells of it."""
    due = goal({"detailQuantity": quantity("80", comparator="<="), "dueDate": day(1)}, start=day(14)) | {"id": "g"}
    clinic.put(due, weight(5, "86"))
    assert list(follow_all(pool, BASES, UTC)) == [1]
    assert code(stored(pool)[1]) == "not-achieved"
    assert list(follow_all(pool, BASES, UTC)) == [0]


def asked(url: str, access: AccessContext, id_: str = "g") -> Json:
    """What $progress answers, each parameter once by its name."""

    async def use(server: Interactions) -> Any:
        return decode(await run("progress", server, access, Invocation((), b"", "Goal", id_, method="GET")))

    return by_name(serve(url, use)["parameter"])


def by_name(parameters: Sequence[Json]) -> Json:
    """Values and parts by name; of `point` a list."""
    found: Json = {}
    for one in parameters:
        value = by_name(one["part"]) if "part" in one else next(v for k, v in one.items() if k != "name")
        if one["name"] == "point":
            found.setdefault("point", []).append(value)
        else:
            found[one["name"]] = value
    return found


def test_progress_is_told_with_its_series(database_url: str, clinic: Clinic) -> None:
    """Where it began, where it stands, streaks, and a value for each day to plot; nothing is stored."""
    clinic.put(wanted(), weight(9, "88"), weight(5, "84.5"), weight(1, "80"), weight(0, "79.5"))
    found = asked(database_url, of_patient(clinic.pool, "p"))
    assert (found["achievement"]["code"], found["timezone"]) == ("achieved", "UTC")
    target = found["target"]
    assert (target["baseline"]["value"], target["baselineDate"]) == (90, day(20))
    assert (target["last"]["value"], target["lastDate"]) == (Decimal("79.5"), day(0))
    assert (target["percent"], target["met"], target["streakDays"], target["longestStreakDays"]) == (100, True, 2, 2)
    assert target["point"] == [
        {"date": day(ago), "value": value}
        for ago, value in ((9, 88), (5, Decimal("84.5")), (1, 80), (0, Decimal("79.5")))
    ]
    assert rows(clinic.pool, "SELECT version FROM resource WHERE id = 'g'") == [(1,)]


def test_others_learn_nothing_of_a_goal(database_url: str, clinic: Clinic) -> None:
    """Another patient's goal is one that there is not; who may not search Observations is refused."""
    clinic.put(wanted(), weight(5, "86"))
    for access in (of_patient(clinic.pool, "q"), SYSTEM):
        with pytest.raises(HealixError) as caught:
            asked(database_url, access, "g" if access is not SYSTEM else "none")
        assert caught.value.category is Category.NOT_FOUND
    with pytest.raises(HealixError) as caught:
        asked(database_url, of_patient(clinic.pool, "p", "patient/Goal.rs"))
    assert caught.value.category is Category.FORBIDDEN
