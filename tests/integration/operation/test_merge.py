"""$merge of two Patients and $undo-merge: what moves, what comes back, who may, and what is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from healix_fhir.care import devices
from healix_fhir.care.relationships import consumer
from healix_fhir.interaction.review import demands
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import Work, open_async_pool
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.merging import moving
from healix_fhir.operation.merging.records import LOCK
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext
from smart_auth.oauth import pairing
from tests.support.fhir_server import BASE, SYSTEM, Pool, do, of_patient, put, rows, serve, with_scope
from tests.support.operation import run

MRN = "urn:mrn"
Json = dict[str, Any]


def patient(id_: str, number: str, **more: Any) -> Json:
    """A Patient."""
    return {"resourceType": "Patient", "id": id_, "identifier": [{"system": MRN, "value": number}]} | more


def to(id_: str) -> Json:
    """A reference to a Patient."""
    return {"reference": f"Patient/{id_}"}


@pytest.fixture(autouse=True)
def people(pool: Pool) -> None:
    """Two Patients, and what is in their records and refers to them from elsewhere."""
    there: list[Json] = [
        patient("a", "1", name=[{"family": "Old"}], generalPractitioner=[{"reference": "Practitioner/d"}]),
        patient("b", "2", active=True),
        {"resourceType": "Observation", "id": "of-a", "status": "final", "code": {"text": "x"}, "subject": to("a"),
         "extension": [{"url": "urn:e", "valueReference": to("a")}]},
        {"resourceType": "Observation", "id": "of-b", "status": "final", "code": {"text": "x"}, "subject": to("b")},
        {"resourceType": "Condition", "id": "absolute", "subject": {"reference": f"{BASE}/Patient/a"},
         "asserter": {"reference": "Patient/a/_history/1"}},
        {"resourceType": "CareTeam", "id": "team", "status": "active", "subject": to("a"),
         "participant": [{"member": {"reference": "Practitioner/d"}}]},
        {"resourceType": "Group", "id": "both", "type": "person", "actual": True,
         "member": [{"entity": to("a")}, {"entity": to("b")}]},
        {"resourceType": "Basic", "id": "inside", "code": {"text": "x"}, "contained": [
            {"resourceType": "Encounter", "id": "e", "status": "planned", "class": {"code": "AMB"},
             "subject": to("a")}], "extension": [{"url": "urn:e", "valueReference": {"reference": "#e"}}]},
    ]  # fmt: skip
    for one in there:
        put(pool, one, one["id"])


def call(
    url: str, name: str, access: AccessContext = SYSTEM, source: str = "a", target: str = "b", **more: Json
) -> Json:
    """The parts of the answer by name."""
    parts = [{"name": "source-patient", "valueReference": to(source)},
             {"name": "target-patient", "valueReference": to(target)}]  # fmt: skip
    parts = [one for one in parts if one["name"] not in more] + [
        {"name": key, **value} for key, value in more.items() if value
    ]
    body = encode({"resourceType": "Parameters", "parameter": parts})

    async def use(server: Interactions) -> bytes:
        return await run(name, server, access, Invocation(body=body, type="Patient"))

    answer = decode(serve(url, use))
    return {part["name"]: part["resource"] for part in answer["parameter"]}


def stored(pool: Pool) -> dict[str, Json]:
    """All resources by Type/id, without their meta."""
    found = rows(pool, "SELECT body FROM resource WHERE NOT deleted")
    bodies = [decode(bytes(body)) for (body,) in found]
    return {f"{one['resourceType']}/{one['id']}": one | {"meta": None} for one in bodies}


def text_of(resource: Json) -> str:
    """A resource as text."""
    return encode(resource).decode()


@pytest.mark.spec("FHIR R5 patient-operation-merge.html")
def test_what_refers_to_one_refers_to_the_other(pool: Pool, database_url: str) -> None:
    """References in every form move, also in extensions and contained resources; both Patients say what happened."""
    answer = call(database_url, "merge")
    now = stored(pool)
    assert "5 resources moved to Patient/b" in answer["outcome"]["issue"][0]["diagnostics"]
    assert (answer["input"]["resourceType"], answer["result"]["id"]) == ("Parameters", "b")
    others = {name: text_of(one) for name, one in now.items() if not name.startswith("Patient/")}
    assert [name for name, text in others.items() if "Patient/a" in text] == []
    assert now["Condition/absolute"]["asserter"]["reference"] == "Patient/b/_history/2"
    assert now["Patient/a"]["link"] == [{"other": to("b"), "type": "replaced-by"}]
    assert (now["Patient/a"]["active"], now["Patient/b"]["active"]) == (False, True)
    assert now["Patient/b"]["link"] == [{"other": to("a"), "type": "replaces"}]
    assert now["Patient/b"]["identifier"] == [
        {"system": MRN, "value": "2"}, {"system": MRN, "value": "1", "use": "old"},
    ]  # fmt: skip
    compartment = rows(
        pool, "SELECT r.type FROM resource r JOIN patient_key k ON k.pat = r.pat WHERE k.id = 'a' AND NOT r.deleted"
    )
    assert len(compartment) == 1  # the Patient itself
    merged = rows(pool, "SELECT patient, entity, query FROM audit_event WHERE subtype = '$merge' ORDER BY 1")
    assert merged == [("a", "Patient/b", "Patient/a"), ("b", "Patient/b", "Patient/a")]


def test_care_follows(pool: Pool, database_url: str) -> None:
    """Who cared for the one by what was moved cares for the other, and after the undoing for the first again."""
    care = "SELECT k.id, c.source FROM care_relationship c JOIN patient_key k USING (pat) ORDER BY 1, 2"

    def cared() -> list[Any]:
        with psycopg.connect(database_url) as connection:
            while drain(connection, {"resource": [consumer((BASE,))]}):
                pass
        return rows(pool, care)

    before = cared()
    call(database_url, "merge")
    assert ("b", "CareTeam/team") in cared()
    call(database_url, "undo-merge")
    assert cared() == before


def pair(pool: Pool) -> None:
    """The Device `w` of Patient/a, with a token."""
    put(pool, {"resourceType": "Device", "id": "w", "status": "active", "patient": to("a")}, "w")
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO access_token (hash, client, scope, patient, pat, grant_id, expires)"
            " SELECT '\\x00', 'device/w', '', id, pat, 'device/w', now() + interval '1 hour'"
            " FROM patient_key WHERE id = 'a'"
        )


def whose_token(pool: Pool, database_url: str) -> list[Any]:
    """The patients of the tokens, and whether these are revoked, when all events were handled."""
    with psycopg.connect(database_url) as connection:
        while drain(connection, {"resource": [devices.consumer((BASE,))]}):
            pass
    return rows(
        pool,
        "SELECT t.patient, t.revoked FROM access_token t JOIN patient_key k USING (pat) WHERE k.id = t.patient",
    )


def test_a_merge_while_a_device_is_looked_at(pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its token goes on: it is not taken for one of somebody else."""
    pair(pool)
    looked: list[str] = []

    def late(changed: Sequence[str]) -> Work[set[tuple[str, str]]]:
        found = yield from pairing.holders(changed)
        if not looked:
            call(database_url, "merge")
        looked.extend(changed)
        return found

    monkeypatch.setattr(devices, "holders", late)
    assert whose_token(pool, database_url) == [("b", False)]
    assert looked


def test_devices_go_on_for_who_stays(pool: Pool, database_url: str) -> None:
    """The token of a paired device is the surviving Patient's, and after the undoing the first one's again; the answers
    and the trail say so. Nothing is taken back.
    """
    pair(pool)

    def whose() -> list[Any]:
        return whose_token(pool, database_url)

    assert whose() == [("a", False)]
    told = call(database_url, "merge")["outcome"]["issue"][0]["diagnostics"]
    assert "the access of 1 paired device goes on for Patient/b" in told
    assert whose() == [("b", False)]
    told = call(database_url, "undo-merge")["outcome"]["issue"][0]["diagnostics"]
    assert "the access of 1 paired device goes on" in told
    assert whose() == [("a", False)]
    said = rows(pool, "SELECT action, patient, entity, query FROM audit_event WHERE subtype = 'token' ORDER BY seq")
    assert said == [
        ("U", "b", "Device/w", "of Patient/a before"),
        ("U", "a", "Device/w", "of Patient/b before"),
    ]


@pytest.mark.parametrize("group", [1, 500])
def test_undone_all_is_as_it_was(pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch, group: int) -> None:
    """Nobody having changed anything since, every resource is what it was, in however many groups; once."""
    monkeypatch.setattr(moving, "GROUP", group)
    monkeypatch.setattr("healix_fhir.operation.merging.undo.GROUP", group)
    before = stored(pool)
    call(database_url, "merge")
    assert stored(pool) != before
    answer = call(database_url, "undo-merge")
    assert len(answer["outcome"]["issue"]) == 1
    assert stored(pool) == before
    with pytest.raises(HealixError, match="was not merged") as refused:
        call(database_url, "undo-merge")
    assert refused.value.category is Category.UNPROCESSABLE
    call(database_url, "merge")
    assert stored(pool)["Observation/of-a"]["subject"] == to("b")


def test_undone_after_changes(pool: Pool, database_url: str) -> None:
    """What was changed since keeps its changes and goes back; what referred to both is left, and named; what is new
    stays.
    """
    call(database_url, "merge")
    now = stored(pool)
    put(pool, now["Observation/of-a"] | {"code": {"text": "changed"}, "meta": {}}, "of-a")
    put(pool, now["Group/both"] | {"name": "changed", "meta": {}}, "both")
    put(pool, now["Patient/b"] | {"gender": "female", "meta": {}}, "b")
    put(pool, now["Patient/a"] | {"gender": "female", "meta": {}}, "a")
    put(pool, now["Observation/of-b"] | {"id": "new", "meta": {}}, "new")
    answer = call(database_url, "undo-merge")
    (_, warning) = answer["outcome"]["issue"]
    assert "Group/both" in warning["diagnostics"]
    then = stored(pool)
    assert (then["Observation/of-a"]["subject"], then["Observation/of-a"]["code"]) == (to("a"), {"text": "changed"})
    assert then["Observation/new"]["subject"] == to("b")
    assert {key: then["Patient/b"].get(key) for key in ("link", "identifier", "gender", "active")} == {
        "link": None, "identifier": [{"system": MRN, "value": "2"}], "gender": "female", "active": True,
    }  # fmt: skip
    assert {key: then["Patient/a"].get(key) for key in ("link", "gender", "active")} == {
        "link": None, "gender": "female", "active": None,
    }  # fmt: skip


def test_a_preview_changes_nothing(pool: Pool, database_url: str) -> None:
    """It tells what would be moved and what would stay, and leaves no trace."""
    before = rows(pool, "SELECT type, id, version FROM resource ORDER BY 1, 2")
    answer = call(database_url, "merge", preview={"valueBoolean": True})
    assert "5 resources would be moved" in answer["outcome"]["issue"][0]["diagnostics"]
    assert answer["result"]["link"][0]["type"] == "replaces"
    assert rows(pool, "SELECT type, id, version FROM resource ORDER BY 1, 2") == before
    assert rows(pool, "SELECT 1 FROM patient_merge") == []


def test_by_identifiers_with_a_result(pool: Pool, database_url: str) -> None:
    """Both are found by identifiers that only they have; the caller says what the one that stays is to be."""
    result = patient("b", "2", gender="male", link=[{"other": to("a"), "type": "replaces"}])
    more: dict[str, Any] = {
        "source-patient": {},
        "target-patient": {},
        "source-patient-identifier": {"valueIdentifier": {"system": MRN, "value": "1"}},
        "target-patient-identifier": {"valueIdentifier": {"system": MRN, "value": "2"}},
        "result-patient": {"resource": result},
    }
    call(database_url, "merge", **more)
    assert stored(pool)["Patient/b"] == result | {"meta": None}
    assert stored(pool)["Observation/of-a"]["subject"] == to("b")


@pytest.mark.parametrize(
    ("more", "category"),
    [
        ({"source": "a", "target": "a"}, Category.UNPROCESSABLE),
        ({"source": "missing"}, Category.NOT_FOUND),
        ({"target": "missing"}, Category.NOT_FOUND),
        ({"source-patient": {"valueReference": {"reference": "Group/both"}}}, Category.INVALID),
        ({"source-patient": {}}, Category.INVALID),
        ({"source-patient-identifier": {"valueIdentifier": {"value": "1"}}}, Category.INVALID),
        (
            {"source-patient": {}, "source-patient-identifier": {"valueIdentifier": {"system": MRN, "value": "9"}}},
            Category.NOT_FOUND,
        ),
        ({"result-patient": {"resource": patient("b", "2")}}, Category.INVALID),
        ({"result-patient": {"resource": patient("a", "2")}}, Category.INVALID),
    ],
)
def test_what_is_no_merge(pool: Pool, database_url: str, more: dict[str, Any], category: Category) -> None:
    """What names not two Patients, or a result that is none, changes nothing."""
    before = stored(pool)
    with pytest.raises(HealixError) as refused:
        call(database_url, "merge", **more)
    assert refused.value.category is category
    assert stored(pool) == before


def test_merged_once(pool: Pool, database_url: str) -> None:
    """Who was merged is merged nowhere else, nor into; again into the same it takes along what came meanwhile."""
    put(pool, patient("c", "3"), "c")
    call(database_url, "merge")
    for source, target in (("a", "c"), ("c", "a")):
        with pytest.raises(HealixError, match="was merged into"):
            call(database_url, "merge", source=source, target=target)
    late = {"resourceType": "Observation", "status": "final", "code": {"text": "late"}, "subject": to("a")}
    put(pool, late, "late")
    assert "1 resources moved" in call(database_url, "merge")["outcome"]["issue"][0]["diagnostics"]
    call(database_url, "undo-merge")
    assert {stored(pool)[f"Observation/{one}"]["subject"]["reference"] for one in ("late", "of-a")} == {"Patient/a"}


def test_undone_in_turn(pool: Pool, database_url: str) -> None:
    """While the target is merged itself nothing is undone, since its data would stay with the third for good."""
    put(pool, patient("c", "3"), "c")
    call(database_url, "merge")
    call(database_url, "merge", source="b", target="c")
    with pytest.raises(HealixError, match="undo that merge first") as refused:
        call(database_url, "undo-merge")
    assert refused.value.category is Category.UNPROCESSABLE
    call(database_url, "undo-merge", source="b", target="c")
    call(database_url, "undo-merge")
    subjects = {name: stored(pool)[f"Observation/of-{name}"]["subject"] for name in "ab"}
    assert subjects == {"a": to("a"), "b": to("b")}


def test_nothing_goes_back_to_who_is_deleted(pool: Pool, database_url: str) -> None:
    """While the merged Patient is deleted the merge is not undone."""
    call(database_url, "merge")
    do(pool, lambda: commit(SYSTEM, [Change(Method.DELETE, "Patient", "a")]))
    before = stored(pool)
    with pytest.raises(HealixError, match="Patient/a is deleted") as refused:
        call(database_url, "undo-merge")
    assert (refused.value.category, stored(pool)) == (Category.UNPROCESSABLE, before)


def test_nothing_is_undone_without_the_past(pool: Pool, database_url: str) -> None:
    """Where what the merged Patient was before has been expunged, the merge is not undone in part."""
    call(database_url, "merge")
    rows(pool, "DELETE FROM resource_history WHERE id = 'a' RETURNING id")
    before = stored(pool)
    with pytest.raises(HealixError, match="was expunged") as refused:
        call(database_url, "undo-merge")
    assert (refused.value.category, stored(pool)) == (Category.UNPROCESSABLE, before)


@pytest.mark.parametrize("name", ["merge", "undo-merge"])
def test_one_at_a_time(pool: Pool, database_url: str, name: str) -> None:
    """While one merges another is told to come again, and holds no connection."""
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        with pytest.raises(HealixError) as refused:
            call(database_url, name)
    assert (refused.value.category, "Retry-After" in refused.value.waiting) == (Category.BUSY, True)


def test_a_result_is_reviewed(pool: Pool, database_url: str) -> None:
    """What a caller says that the target is to be must meet what the operator demands of every write."""
    contact = [{"gender": "male"}]  # pat-1: a name, telecom, address or organization
    result = patient("b", "2", contact=contact, link=[{"other": to("a"), "type": "replaces"}])
    parts = [
        {"name": "source-patient", "valueReference": to("a")},
        {"name": "target-patient", "valueReference": to("b")},
        {"name": "result-patient", "resource": result},
    ]
    body = encode({"resourceType": "Parameters", "parameter": parts})

    async def use() -> None:
        opened = await open_async_pool(database_url, size=4)
        try:
            server = Interactions(opened, (BASE,), wanted=demands("base"))
            await run("merge", server, SYSTEM, Invocation(body=body, type="Patient"))
        finally:
            await opened.close()

    before = stored(pool)
    with pytest.raises(HealixError, match="pat-1") as refused:
        asyncio.run(use())
    assert (refused.value.category, stored(pool)) == (Category.UNPROCESSABLE, before)


@pytest.mark.parametrize("name", ["merge", "undo-merge"])
def test_only_who_sees_everything_merges(pool: Pool, database_url: str, name: str) -> None:
    """A narrower scope, and an app of the patient, are refused before anything is looked at."""
    for access in (of_patient(pool, "a"), with_scope("system/Patient.cruds"), with_scope("system/*.rs")):
        for source in ("a", "missing"):
            with pytest.raises(HealixError, match="opens everything") as refused:
                call(database_url, name, access, source=source)
            assert refused.value.category is Category.FORBIDDEN


def test_too_much_at_once(pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge of more than the limit is refused, and leaves nothing half done."""
    monkeypatch.setattr(moving, "MOST", 3)
    before = stored(pool)
    with pytest.raises(HealixError) as refused:
        call(database_url, "merge")
    assert refused.value.category is Category.TOO_LARGE
    assert stored(pool) == before
