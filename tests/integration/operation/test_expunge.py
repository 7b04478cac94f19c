"""$purge and $expunge: what goes for good, what stays, and who may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit_verify import verify
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.expunging import purge
from healix_fhir.operation.invocation import Invocation
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext
from tests.support.audit import sealed_now
from tests.support.fhir_server import SYSTEM, Pool, do, of_patient, put, rows, serve, with_scope
from tests.support.operation import run

Json = dict[str, Any]


def to(id_: str) -> Json:
    """A reference to a Patient."""
    return {"reference": f"Patient/{id_}"}


def seen(id_: str, patient: str, text: str = "x") -> Json:
    """An Observation of a patient."""
    about = {"code": {"coding": [{"system": "urn:c", "code": text}]}, "subject": to(patient)}
    return {"resourceType": "Observation", "id": id_, "status": "final"} | about


@pytest.fixture(autouse=True)
def people(pool: Pool) -> None:
    """Two Patients, of whom one has resources of every kind."""
    there: list[Json] = [
        {"resourceType": "Patient", "id": "a", "name": [{"family": "Secret"}]},
        {"resourceType": "Patient", "id": "a", "name": [{"family": "Newer"}], "active": True},
        {"resourceType": "Patient", "id": "b", "link": [{"other": to("a"), "type": "seealso"}]},
        seen("one", "a"), seen("one", "a", "Secret"), seen("gone", "a", "Secret"), seen("moved", "a", "Secret"),
        seen("moved", "b"), seen("other", "b", "kept"), seen("other", "b", "newer"),
        {"resourceType": "Group", "id": "both", "type": "person", "actual": True,
         "member": [{"entity": to("a")}, {"entity": to("b")}]},
        {"resourceType": "Consent", "id": "no", "status": "active", "patient": to("a"),
         "scope": {"coding": [
             {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
         "category": [{"text": "x"}], "policyRule": {"text": "x"}, "provision": {"type": "deny"}},
    ]  # fmt: skip
    for one in there:
        put(pool, one, one["id"])
    delete(pool, "Observation", "gone")


def delete(pool: Pool, type_name: str, id_: str) -> None:
    """Delete a resource."""
    do(pool, lambda: commit(SYSTEM, [Change(Method.DELETE, type_name, id_)]))


def call(url: str, name: str, where: str = "", access: AccessContext = SYSTEM, **given: object) -> Json:
    """What the operation answers; `where` is what it is called on."""
    kinds = {bool: "Boolean", int: "PositiveInt", str: "String"}
    parts = [{"name": key, f"value{kinds[type(value)]}": value} for key, value in given.items()]
    body = encode({"resourceType": "Parameters", "parameter": parts}) if parts else b""
    type_name, _, id_ = where.partition("/")

    async def use(server: Interactions) -> bytes:
        return await run(name, server, access, Invocation(body=body, type=type_name or None, id=id_ or None))

    answer: Json = decode(serve(url, use))
    if answer["resourceType"] != "Parameters":
        return answer
    return {part["name"]: part.get("valueInteger", part.get("valueBoolean")) for part in answer["parameter"]}


def versions(pool: Pool) -> set[str]:
    """Every version that there is, as Type/id/version; a dagger for a deletion."""
    names = {number: name for name, number in TYPE_ID.items()}
    found = rows(pool, "SELECT type, id, version, deleted FROM resource UNION ALL"
                       " SELECT type, id, version, deleted FROM resource_history")  # fmt: skip
    return {f"{names[kind]}/{id_}/{version}{'†' if gone else ''}" for kind, id_, version, gone in found}


def orphans(pool: Pool) -> list[Any]:
    """Rows of any table about a resource that is not there, and index rows of what is deleted."""
    tables = [name for (name,) in rows(
        pool, "SELECT table_name FROM information_schema.columns WHERE column_name = 'pk' AND table_schema = 'public'"
              " AND table_name ~ '^(index_|consent_rule|compartment)'")]  # fmt: skip
    assert len(tables) > 8
    found = [
        (name, row)
        for name in tables
        if name != "index_contained"
        for row in rows(pool, f"SELECT t.* FROM {name} t LEFT JOIN resource r ON r.pk = t.pk"
                              " WHERE r.pk IS NULL AND NOT EXISTS (SELECT FROM index_contained c WHERE c.pk = t.pk)")
    ]  # fmt: skip
    past = rows(pool, "SELECT h.type, h.id FROM resource_history h LEFT JOIN resource r ON r.type = h.type"
                      " AND r.id = h.id WHERE r.pk IS NULL")  # fmt: skip
    return found + past


@pytest.mark.spec("FHIR R6 patient-operation-purge.html")
@pytest.mark.parametrize("group", [1, 500])
def test_a_record_is_gone_for_good(pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch, group: int) -> None:
    """No version of anything in the compartment is left but that it was deleted, nor what was in it once."""
    monkeypatch.setattr(purge, "GROUP", group)
    outcome = call(database_url, "purge", "Patient/a")
    assert versions(pool) == {
        "Patient/a/3†", "Observation/one/3†", "Observation/gone/2†", "Consent/no/2†", "Patient/b/1",
        "Observation/moved/2", "Observation/other/1", "Observation/other/2", "Group/both/1",
    }  # fmt: skip
    assert orphans(pool) == []
    assert [body for (body,) in rows(pool, "SELECT body FROM resource") if b"Secret" in bytes(body)] == []
    first, *left = outcome["issue"]
    assert (first["code"], first["severity"]) == ("informational", "information")
    assert [one["diagnostics"].partition(":")[0] for one in left] == ["Group/both", "Patient/b"]
    trail = rows(pool, "SELECT patient, entity, query FROM audit_event WHERE subtype = '$purge'")
    assert trail == [("a", "Patient/a", "resources=3&complete=true")]
    deleted = rows(pool, "SELECT DISTINCT entity FROM audit_event WHERE subtype = 'delete' AND patient = 'a'")
    assert {"Patient/a", "Observation/one", "Consent/no"} <= {entity for (entity,) in deleted}
    call(database_url, "purge", "Patient/a")  # idempotent


def test_a_large_record_takes_several_calls(pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call ends after so many resources with the issue incomplete, the Patient still there; the last has it all."""
    monkeypatch.setattr(purge, "GROUP", 1)
    monkeypatch.setattr(purge, "MOST", 2)
    codes = []
    while "informational" not in codes:
        codes.append(call(database_url, "purge", "Patient/a")["issue"][0]["code"])
        assert ("Patient/a/2" in versions(pool)) is (codes[-1] == "incomplete")
    assert codes == ["incomplete", "informational"]


def test_images_go_first(pool: Pool, database_url: str) -> None:
    """While a patient has imaging studies nothing is purged; of deleted ones the past stays, and is named."""
    study = {"resourceType": "ImagingStudy", "id": "ct", "status": "available", "subject": to("a")}
    put(pool, study, "ct")
    before = versions(pool)
    with pytest.raises(HealixError, match="1 imaging studies") as refused:
        call(database_url, "purge", "Patient/a")
    assert (refused.value.category, versions(pool)) == (Category.CONFLICT, before)
    delete(pool, "ImagingStudy", "ct")
    outcome = call(database_url, "purge", "Patient/a")
    assert "ImagingStudy/ct" in outcome["issue"][-1]["diagnostics"]
    assert {"ImagingStudy/ct/1", "ImagingStudy/ct/2†"} <= versions(pool)
    call(database_url, "expunge", expungeDeletedResources=True, expungePreviousVersions=True)
    call(database_url, "expunge", "ImagingStudy", expungePreviousVersions=True)
    assert {"ImagingStudy/ct/1", "ImagingStudy/ct/2†"} <= versions(pool)
    assert call(database_url, "expunge", "ImagingStudy", expungeDeletedResources=True) == {"count": 2, "more": False}


FLAGS = ("expungeDeletedResources", "expungePreviousVersions")


@pytest.mark.parametrize(
    ("where", "given", "gone"),
    [
        ("Observation/gone", {FLAGS[0]: True}, {"Observation/gone/1", "Observation/gone/2†"}),
        ("Observation/gone", {FLAGS[1]: True}, {"Observation/gone/1"}),
        ("Observation/one", {FLAGS[0]: True}, set()),
        ("Observation/one", {FLAGS[1]: True}, {"Observation/one/1"}),
        ("Observation/one", {"expungeEverything": True, "confirm": "Observation/one"},
         {"Observation/one/1", "Observation/one/2"}),
        ("Observation", {FLAGS[0]: True}, {"Observation/gone/1", "Observation/gone/2†"}),
        ("Patient", {FLAGS[1]: True}, {"Patient/a/1"}),
        ("", {FLAGS[0]: True, FLAGS[1]: True},
         {"Observation/gone/1", "Observation/gone/2†", "Observation/one/1", "Observation/moved/1",
          "Observation/other/1", "Patient/a/1"}),
        ("", {FLAGS[0]: False, FLAGS[1]: True, "limit": 2}, None),
    ],
)  # fmt: skip
def test_what_is_expunged(
    pool: Pool, database_url: str, where: str, given: dict[str, Any], gone: set[str] | None
) -> None:
    """Deleted resources with their past, earlier versions, or all, of what it is called on, up to the limit."""
    before = versions(pool)
    answer = call(database_url, "expunge", where, **given)
    now = versions(pool)
    if gone is None:
        assert (answer, len(before - now)) == ({"count": 2, "more": True}, 2)
    else:
        extra = 1 if "confirm" in given else 0  # the deletion that was made first
        assert (before - now, answer) == (gone, {"count": len(gone) + extra, "more": False})
    assert now <= before
    assert orphans(pool) == []


def test_everything_goes(pool: Pool, database_url: str) -> None:
    """With confirmation all types are emptied, in as many calls as it takes; each is in the trail, which is whole."""
    calls = 0
    with pool.connection() as connection:
        sealed_now(connection)
    while call(database_url, "expunge", expungeEverything=True, confirm="everything", limit=3)["more"]:
        calls += 1
    assert (calls > 2, versions(pool), orphans(pool)) == (True, set(), [])
    trail = rows(pool, "SELECT count(*) FROM audit_event WHERE subtype = '$expunge' AND action = 'D' AND patient = 'a'")
    assert trail == [(5,)]
    with pool.connection() as connection:
        sealed_now(connection)
        verdict = verify(connection, ())
    assert (verdict.blocks, verdict.pending, verdict.problems) == (2, 0, [])
    assert rows(pool, "SELECT count(*) FROM audit_event") == [(verdict.rows,)]


def test_written_again(pool: Pool, database_url: str) -> None:
    """After $purge a resource goes on with its next version, after $expunge it begins anew."""
    call(database_url, "purge", "Patient/a")
    put(pool, seen("one", "b"), "one")
    call(database_url, "expunge", "Observation/gone", expungeDeletedResources=True)
    put(pool, seen("gone", "b"), "gone")
    found = rows(pool, "SELECT id, version FROM resource WHERE id IN ('one', 'gone') ORDER BY id")
    assert found == [("gone", 1), ("one", 4)]


def test_code_systems_go_with_their_resource(pool: Pool, database_url: str) -> None:
    """What was put into the tables of terminology goes with the CodeSystem that it was made from."""
    system = {"resourceType": "CodeSystem", "id": "s", "status": "active", "content": "complete", "url": "urn:s",
              "concept": [{"code": "Secret"}]}  # fmt: skip
    put(pool, system, "s")

    async def use(server: Interactions) -> bytes:
        params = (("system", "urn:s"), ("code", "Secret"))
        return await run("lookup", server, SYSTEM, Invocation(params, type="CodeSystem"))

    serve(database_url, use)
    count = "SELECT count(*) FROM code_system WHERE url = 'urn:s'"
    assert rows(pool, count) == [(1,)]
    call(database_url, "expunge", "CodeSystem/s", expungeEverything=True, confirm="CodeSystem/s")
    assert rows(pool, count) == [(0,)]


@pytest.mark.parametrize(
    ("where", "given", "category"),
    [
        ("", {}, Category.INVALID),
        ("Observation/one", {"expungeEverything": True}, Category.INVALID),
        ("Observation/one", {"expungeEverything": True, "confirm": "Observation"}, Category.INVALID),
        ("", {"expungeDeletedResources": True, "limit": 10_001}, Category.INVALID),
        ("AuditEvent", {"expungePreviousVersions": True}, Category.UNSUPPORTED),
        ("ImagingStudy", {"expungeEverything": True, "confirm": "ImagingStudy"}, Category.UNSUPPORTED),
        ("Observation/never", {"expungePreviousVersions": True}, Category.NOT_FOUND),
    ],
)  # fmt: skip
def test_what_is_refused(pool: Pool, database_url: str, where: str, given: dict[str, Any], category: Category) -> None:
    """Without a word of what is to go, unconfirmed, too much at once, the trail: nothing goes."""
    before = versions(pool)
    with pytest.raises(HealixError) as refused:
        call(database_url, "expunge", where, **given)
    assert (refused.value.category, versions(pool)) == (category, before)


def test_only_who_may_delete_everything(pool: Pool, database_url: str) -> None:
    """Apps of the patient, narrower scopes and those that only read are refused, whoever is asked about."""
    before = versions(pool)
    for access in (of_patient(pool, "a"), with_scope("system/Patient.cruds"), with_scope("system/*.rus")):
        for name, where, given in (
            ("purge", "Patient/a", {}),
            ("purge", "Patient/never", {}),
            ("expunge", "Patient/a", {"expungePreviousVersions": True}),
            ("expunge", "", {"expungeDeletedResources": True}),
        ):
            with pytest.raises(HealixError, match="opens everything") as refused:
                call(database_url, name, where, access, **given)
            assert refused.value.category is Category.FORBIDDEN
    assert versions(pool) == before
    with pytest.raises(HealixError) as missing:
        call(database_url, "purge", "Patient/never")
    assert missing.value.category is Category.NOT_FOUND


def test_clients_with_copies_learn_of_it(pool: Pool, database_url: str) -> None:
    """What was purged is Gone, and its deletion is all that its history has, newer than the last export."""
    since = datetime.now(UTC) - timedelta(minutes=1)
    call(database_url, "purge", "Patient/a")

    async def use(server: Interactions) -> list[Any]:
        page = await server.history(SYSTEM, "Observation", "one", ())
        with pytest.raises(HealixError) as gone:
            await server.read(SYSTEM, "Observation", "one")
        return [gone.value.category, page.total]

    assert serve(database_url, use) == [Category.GONE, 1]
    told = rows(pool, "SELECT id FROM resource WHERE deleted AND updated > %s ORDER BY id", since)
    assert told == [("a",), ("gone",), ("no",), ("one",)]
