"""Patch: a new version of the current one, valid and the same resource."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from healix_fhir.interaction.result import Written
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from smart_auth.access import AccessContext
from tests.support.fhir_server import SYSTEM, Pool, body, of_patient, put, rows, serve, with_scope
from tests.support.resources import observation, patient

JSON_PATCH = "application/json-patch+json"


async def patched(
    server: Interactions, *operations: dict[str, Any], access: AccessContext = SYSTEM, if_match: int | None = None
) -> Written:
    """A JSON Patch of Observation/o."""
    return await server.patch(access, "Observation", "o", encode(list(operations)), JSON_PATCH, if_match)


def refused(url: str, *operations: dict[str, Any], access: AccessContext = SYSTEM, **more: Any) -> HealixError:
    """How it is refused."""
    with pytest.raises(HealixError) as error:
        serve(url, lambda server: patched(server, *operations, access=access, **more))
    return error.value


@pytest.fixture
def stored(pool: Pool) -> Pool:
    """Observation/o of Patient/p."""
    put(pool, patient(), "p")
    put(pool, observation("Patient/p"), "o")
    return pool


@pytest.mark.spec("FHIR R4 http.html#patch")
def test_a_patch_is_a_version_of_its_own(stored: Pool, database_url: str) -> None:
    """What is patched changes, digits and all else stay; history says PATCH; the search finds the new value."""

    async def use(server: Interactions) -> None:
        sent = body(observation("Patient/p"), id="o").replace(b'"value":72', b'"value":72.500')
        await server.update(SYSTEM, "Observation", "o", sent)
        done = await patched(server, {"op": "replace", "path": "/status", "value": "amended"}, if_match=2)
        assert (done.stored.version, done.created, done.changed) == (3, False, True)
        before = await server.vread(SYSTEM, "Observation", "o", "2")
        old, new = decode(before.body), decode(done.stored.body)
        assert b'"value":72.500' in done.stored.body
        assert {key for key in old if old[key] != new[key]} == {"status", "meta"}
        history = await server.history(SYSTEM, "Observation", "o", [])
        assert history.entries[0].request == ("PATCH", "Observation/o")
        assert (await server.search(SYSTEM, "Observation", [("status", "amended"), ("_total", "accurate")])).total == 1
        again = await patched(server, {"op": "replace", "path": "/status", "value": "amended"})
        assert (again.stored.version, again.changed) == (3, False)

    serve(database_url, use)


@pytest.mark.spec("FHIR R4 http.html#patch")
@pytest.mark.parametrize(
    ("operation", "category"),
    [
        ({"op": "replace", "path": "/id", "value": "other"}, Category.UNPROCESSABLE),
        ({"op": "remove", "path": "/id"}, Category.UNPROCESSABLE),
        ({"op": "replace", "path": "/resourceType", "value": "Patient"}, Category.UNPROCESSABLE),
        ({"op": "replace", "path": "/meta/versionId", "value": "7"}, Category.UNPROCESSABLE),
        ({"op": "replace", "path": "/meta/lastUpdated", "value": "2020-01-01T00:00:00Z"}, Category.UNPROCESSABLE),
        ({"op": "remove", "path": "/status"}, Category.UNPROCESSABLE),
        ({"op": "add", "path": "/status", "value": "nonsense"}, Category.UNPROCESSABLE),
        ({"op": "add", "path": "/nonsense", "value": 1}, Category.UNPROCESSABLE),
        ({"op": "remove", "path": "/bodySite"}, Category.UNPROCESSABLE),
        ({"op": "test", "path": "/status", "value": "amended"}, Category.CONFLICT),
        ({"op": "nonsense", "path": "/status"}, Category.INVALID),
    ],
)
def test_a_patch_that_spoils_the_resource_is_refused(
    stored: Pool, database_url: str, operation: dict[str, Any], category: Category
) -> None:
    """Id, type and what the server sets in meta stay; the result must be as valid as an update; nothing is written."""
    assert refused(database_url, operation).category is category
    assert rows(stored, "SELECT version FROM resource WHERE id = 'o'") == [(1,)]


def test_meta_is_the_callers_apart_from_what_the_server_sets(stored: Pool, database_url: str) -> None:
    """Tags are added, and meta may be taken away: version and time come back by themselves."""
    tag = {"system": "http://tags.test", "code": "x"}

    async def use(server: Interactions) -> None:
        done = await patched(server, {"op": "add", "path": "/meta/tag", "value": [tag]})
        meta = decode(done.stored.body)["meta"]
        assert (meta["tag"], meta["versionId"]) == ([tag], "2")
        done = await patched(server, {"op": "remove", "path": "/meta"})
        assert set(decode(done.stored.body)["meta"]) == {"versionId", "lastUpdated"}

    serve(database_url, use)
    assert rows(stored, "SELECT version FROM resource WHERE id = 'o'") == [(3,)]


def test_another_version_than_was_meant_is_refused_before_the_patch_is_tried(stored: Pool, database_url: str) -> None:
    """A stale If-Match answers 412, whatever the patch would have made."""
    error = refused(database_url, {"op": "test", "path": "/status", "value": "x"}, if_match=7)
    assert error.category is Category.PRECONDITION_FAILED
    assert rows(stored, "SELECT version FROM resource WHERE id = 'o'") == [(1,)]


def test_patches_that_come_together_are_applied_one_after_the_other(stored: Pool, database_url: str) -> None:
    """No update is lost: twenty who append at once leave twenty notes."""

    async def use(server: Interactions) -> None:
        await patched(server, {"op": "add", "path": "/note", "value": [{"text": "first"}]})
        await asyncio.gather(
            *(patched(server, {"op": "add", "path": "/note/-", "value": {"text": f"n{n}"}}) for n in range(20))
        )
        current = decode((await server.read(SYSTEM, "Observation", "o")).body)
        assert {note["text"] for note in current["note"]} == {"first", *(f"n{n}" for n in range(20))}

    serve(database_url, use)
    assert rows(stored, "SELECT version FROM resource WHERE id = 'o'") == [(22,)]


def test_a_patch_stays_within_what_the_caller_may_change(stored: Pool, database_url: str) -> None:
    """Wrong patient: as if it were not there; wrong scope: forbidden; into another's record: forbidden."""
    step = {"op": "replace", "path": "/status", "value": "amended"}
    assert refused(database_url, step, access=of_patient(stored, "q")).category is Category.NOT_FOUND
    for scope in ("system/Observation.crds", "system/Patient.cruds"):
        assert refused(database_url, step, access=with_scope(scope)).category is Category.FORBIDDEN
    move = {"op": "replace", "path": "/subject/reference", "value": "Patient/q"}
    assert refused(database_url, move, access=of_patient(stored, "p")).category is Category.FORBIDDEN
    assert rows(stored, "SELECT version FROM resource WHERE id = 'o'") == [(1,)]
    mine = serve(database_url, lambda server: patched(server, step, access=of_patient(stored, "p")))
    assert mine.changed


def fhirpath(kind: str, path: str, **parts: dict[str, Any]) -> dict[str, Any]:
    """One operation of a FHIRPath Patch."""
    listed = {"type": {"valueCode": kind}, "path": {"valueString": path}, **parts}
    return {"name": "operation", "part": [{"name": name, **value} for name, value in listed.items()]}


async def by_fhirpath(server: Interactions, *operations: dict[str, Any]) -> Written:
    """A FHIRPath Patch of Observation/o."""
    sent = encode({"resourceType": "Parameters", "parameter": list(operations)})
    return await server.patch(SYSTEM, "Observation", "o", sent, "application/fhir+json")


AMENDED = fhirpath("replace", "Observation.status", value={"valueCode": "amended"})


@pytest.mark.spec("FHIR R4 fhirpatch.html")
def test_a_fhirpath_patch_makes_a_version(stored: Pool, database_url: str) -> None:
    """Parameters in FHIR's own format name elements by FHIRPath; the same patch again changes nothing."""

    async def use(server: Interactions) -> list[tuple[int, bool]]:
        done = [await by_fhirpath(server, AMENDED) for _ in range(2)]
        assert decode(done[0].stored.body)["status"] == "amended"
        return [(one.stored.version, one.changed) for one in done]

    assert serve(database_url, use) == [(2, True), (2, False)]
    assert rows(stored, "SELECT method FROM resource WHERE id = 'o'") == [("PATCH",)]


@pytest.mark.spec("FHIR R4 fhirpatch.html")
@pytest.mark.parametrize(
    ("operation", "category"),
    [
        (fhirpath("replace", "Observation.id", value={"valueId": "other"}), Category.UNPROCESSABLE),
        (fhirpath("delete", "Observation.status"), Category.UNPROCESSABLE),
        (fhirpath("replace", "Observation.bodySite", value={"valueCode": "x"}), Category.UNPROCESSABLE),
        (fhirpath("replace", "Observation.status.(", value={"valueCode": "final"}), Category.INVALID),
        (fhirpath("merge", "Observation.status"), Category.INVALID),
        ({"name": "nonsense"}, Category.INVALID),
    ],
)
def test_a_fhirpath_patch_that_cannot_be_is_refused(
    stored: Pool, database_url: str, operation: dict[str, Any], category: Category
) -> None:
    """Malformed documents and those that do not fit the resource are told apart; nothing is written."""
    with pytest.raises(HealixError) as error:
        serve(database_url, lambda server: by_fhirpath(server, AMENDED, operation))
    assert error.value.category is category
    assert rows(stored, "SELECT version FROM resource WHERE id = 'o'") == [(1,)]


def test_a_patch_in_fhirs_format_is_parameters(stored: Pool, database_url: str) -> None:
    """A resource in place of the patch is refused: a merge is nothing that R4 knows."""

    async def use(server: Interactions) -> None:
        with pytest.raises(HealixError) as error:
            await server.patch(SYSTEM, "Observation", "o", body(observation(), id="o"), "application/fhir+json")
        assert error.value.category is Category.INVALID

    serve(database_url, use)
    assert rows(stored, "SELECT version FROM resource WHERE id = 'o'") == [(1,)]


@pytest.mark.spec("FHIR R4 http.html#patch")
@pytest.mark.parametrize("scope", ["system/Observation.u", "system/Observation.us", "system/Observation.ud"])
@pytest.mark.parametrize(
    "step",
    [
        {"op": "remove", "path": "/status"},
        {"op": "remove", "path": "/bodySite"},
        {"op": "add", "path": "/note/-", "value": {"text": "x"}},
        {"op": "replace", "path": "/status", "value": "amended"},
        {"op": "test", "path": "/status", "value": "final"},
        {"op": "test", "path": "/status", "value": "amended"},
        {"op": "copy", "from": "/subject/reference", "path": "/status"},
        {"op": "move", "from": "/subject/reference", "path": "/status"},
    ],
    ids=lambda step: f"{step['op']} {step['path']}",
)
def test_who_may_not_read_may_not_patch(stored: Pool, database_url: str, scope: str, step: dict[str, Any]) -> None:
    """Whether a step applies would tell what the resource holds: each is refused alike, also with a condition."""
    access = with_scope(scope)
    assert refused(database_url, step, access=access).category is Category.FORBIDDEN

    async def use(server: Interactions) -> None:
        with pytest.raises(HealixError) as error:
            await server.patch_where(access, "Observation", [("_id", "o")], encode([step]), JSON_PATCH)
        assert error.value.category is Category.FORBIDDEN

    serve(database_url, use)
    assert rows(stored, "SELECT version FROM resource WHERE id = 'o'") == [(1,)]


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_who_may_not_read_may_not_patch_in_a_bundle(stored: Pool, database_url: str, kind: str) -> None:
    """An entry is refused like a request of its own."""
    sent = {"resourceType": "Parameters", "parameter": [AMENDED]}
    entry = {"request": {"method": "PATCH", "url": "Observation/o"}, "resource": sent}
    bundle = encode({"resourceType": "Bundle", "type": kind, "entry": [entry]})

    async def use(server: Interactions) -> str:
        try:
            (answered,) = (await server.bundle(with_scope("system/Observation.u"), bundle)).entries
        except HealixError as error:
            return error.category.value
        assert answered.response is not None
        return answered.response.status

    assert serve(database_url, use) == {"batch": "403 Forbidden", "transaction": "forbidden"}[kind]
    assert rows(stored, "SELECT version FROM resource WHERE id = 'o'") == [(1,)]


def test_a_patch_is_of_what_may_be_both_read_and_updated(stored: Pool, database_url: str) -> None:
    """What may be updated but not read is answered as if it were not there, whatever the patch would make of it."""
    put(stored, patient(), "q")
    put(stored, observation("Patient/q"), "other")
    access = of_patient(stored, "p", "system/Observation.u patient/Observation.rs")
    steps = [{"op": "remove", "path": path} for path in ("/effectiveDateTime", "/bodySite")]

    async def use(server: Interactions) -> list[str]:
        answers = []
        for id_ in ("o", "other", "none"):
            for step in steps:
                try:
                    done = await server.patch(access, "Observation", id_, encode([step]), JSON_PATCH)
                    answers.append(done.stored.etag)
                except HealixError as error:
                    answers.append(error.category.value)
        return answers

    assert serve(database_url, use) == ['W/"2"', "unprocessable", *["not-found"] * 4]


def test_a_resource_does_not_grow_by_patches_without_end(
    stored: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each patch is within the limit of a body; what many make of a resource has a limit of its own."""
    monkeypatch.setattr("healix_fhir.store.decide.LARGEST", 2000, raising=False)
    step = {"op": "add", "path": "/note", "value": [{"text": "x" * 500}]}
    assert serve(database_url, lambda server: patched(server, step)).changed
    grown = {"op": "add", "path": "/note/-", "value": {"text": "x" * 1500}}
    assert refused(database_url, grown).category is Category.UNPROCESSABLE
    assert rows(stored, "SELECT version FROM resource WHERE id = 'o'") == [(2,)]
