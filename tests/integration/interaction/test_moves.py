"""A patient's app moves nothing out of or into a record, by whatever way it writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import encode
from smart_auth.access import AccessContext
from tests.support.fhir_server import SYSTEM, Pool, body, of_patient, put, rows, serve
from tests.support.resources import observation, patient

PATCH = "application/json-patch+json"
Write: TypeAlias = Callable[[Interactions, AccessContext], Awaitable[object]]


def moved(id_: str, to: str) -> bytes:
    """The Observation as the other patient's."""
    return body(observation(f"Patient/{to}"), id=id_)


def repointed(to: str) -> bytes:
    """A patch that does the same."""
    return encode([{"op": "replace", "path": "/subject/reference", "value": f"Patient/{to}"}])


def bundle(kind: str, id_: str, to: str) -> bytes:
    """A bundle that does the same."""
    request = {"method": "PUT", "url": f"Observation/{id_}"}
    entry = {"resource": observation(f"Patient/{to}") | {"id": id_}, "request": request}
    return encode({"resourceType": "Bundle", "type": kind, "entry": [entry]})


OUT: dict[str, Write] = {
    "update": lambda server, ann: server.update(ann, "Observation", "hers", moved("hers", "bob")),
    "patch": lambda server, ann: server.patch(ann, "Observation", "hers", repointed("bob"), PATCH),
    "conditional update": lambda server, ann: server.update_where(
        ann, "Observation", [("_id", "hers")], moved("hers", "bob")
    ),
    "conditional patch": lambda server, ann: server.patch_where(
        ann, "Observation", [("_id", "hers")], repointed("bob"), PATCH
    ),
    "transaction": lambda server, ann: server.bundle(ann, bundle("transaction", "hers", "bob")),
}
INTO: dict[str, Write] = {
    "update": lambda server, ann: server.update(ann, "Observation", "his", moved("his", "ann")),
    "patch": lambda server, ann: server.patch(ann, "Observation", "his", repointed("ann"), PATCH),
    "conditional update": lambda server, ann: server.update_where(
        ann, "Observation", [("_id", "his")], moved("his", "ann")
    ),
    "conditional patch": lambda server, ann: server.patch_where(
        ann, "Observation", [("_id", "his")], repointed("ann"), PATCH
    ),
    "transaction": lambda server, ann: server.bundle(ann, bundle("transaction", "his", "ann")),
}


@pytest.mark.parametrize(
    "write", [*OUT.values(), *INTO.values()], ids=[*map("out by {}".format, OUT), *map("in by {}".format, INTO)]
)
def test_nothing_moves(pool: Pool, database_url: str, write: Write) -> None:
    """Each way is refused, and leaves both resources as they were."""
    for id_ in ("ann", "bob"):
        put(pool, patient(), id_)
    put(pool, observation("Patient/ann"), "hers")
    put(pool, observation("Patient/bob"), "his")
    before = rows(pool, "SELECT * FROM resource ORDER BY pk")
    ann = of_patient(pool, "ann")

    async def use(server: Interactions) -> None:
        with pytest.raises(HealixError) as refusal:
            await write(server, ann)
        assert refusal.value.category in (Category.FORBIDDEN, Category.NOT_FOUND)

    serve(database_url, use)
    assert rows(pool, "SELECT * FROM resource ORDER BY pk") == before


CLAIM = {"resourceType": "Patient", "id": "ann", "identifier": [{"value": "MRN-BOB"}]}
PUT = {"resource": CLAIM, "request": {"method": "PUT", "url": "Patient/ann"}}
CLAIMS: dict[str, Write] = {
    "update": lambda server, ann: server.update(ann, "Patient", "ann", encode(CLAIM)),
    "patch": lambda server, ann: server.patch(
        ann, "Patient", "ann", encode([{"op": "add", "path": "/identifier", "value": CLAIM["identifier"]}]), PATCH
    ),
    "conditional update": lambda server, ann: server.update_where(ann, "Patient", [("_id", "ann")], encode(CLAIM)),
    "transaction": lambda server, ann: server.bundle(
        ann, encode({"resourceType": "Bundle", "type": "transaction", "entry": [PUT]})
    ),
}


@pytest.mark.parametrize("write", CLAIMS.values(), ids=CLAIMS)
def test_nobody_claims_to_be_another(pool: Pool, database_url: str, write: Write) -> None:
    """A patient's app gives its Patient no identifier, by which images of somebody else would become its own."""
    put(pool, patient(), "ann")
    before = rows(pool, "SELECT * FROM resource ORDER BY pk")
    ann = of_patient(pool, "ann")

    async def use(server: Interactions) -> None:
        with pytest.raises(HealixError) as refusal:
            await write(server, ann)
        assert refusal.value.category is Category.FORBIDDEN

    serve(database_url, use)
    assert rows(pool, "SELECT * FROM resource ORDER BY pk") == before


SHARED = observation("Patient/ann", performer=[{"reference": "Patient/bob"}])
ALONE = observation("Patient/ann") | {"id": "theirs"}
NO_PERFORMER = encode([{"op": "remove", "path": "/performer"}])
DELETE = {"request": {"method": "DELETE", "url": "Observation/theirs"}}
LEAVING: dict[str, Write] = {
    "update": lambda server, ann: server.update(ann, "Observation", "theirs", encode(ALONE)),
    "patch": lambda server, ann: server.patch(ann, "Observation", "theirs", NO_PERFORMER, PATCH),
    "conditional update": lambda server, ann: server.update_where(
        ann, "Observation", [("_id", "theirs")], encode(ALONE)
    ),
    "delete": lambda server, ann: server.delete(ann, "Observation", "theirs"),
    "conditional delete": lambda server, ann: server.delete_where(ann, "Observation", [("_id", "theirs")]),
    "transaction": lambda server, ann: server.bundle(
        ann, encode({"resourceType": "Bundle", "type": "transaction", "entry": [DELETE]})
    ),
}


@pytest.mark.parametrize("write", LEAVING.values(), ids=LEAVING)
def test_nothing_is_taken_out_of_a_shared_record(pool: Pool, database_url: str, write: Write) -> None:
    """What is in two patients' records, the app of one sees, and does not take away from the other; a system may."""
    for id_ in ("ann", "bob"):
        put(pool, patient(), id_)
    put(pool, SHARED, "theirs")
    before = rows(pool, "SELECT * FROM resource ORDER BY pk")
    ann = of_patient(pool, "ann")

    async def use(server: Interactions) -> None:
        assert (await server.read(ann, "Observation", "theirs")).id == "theirs"
        with pytest.raises(HealixError) as refusal:
            await write(server, ann)
        assert refusal.value.category is Category.FORBIDDEN
        assert rows(pool, "SELECT * FROM resource ORDER BY pk") == before
        await write(server, SYSTEM)

    serve(database_url, use)
    assert rows(pool, "SELECT * FROM resource ORDER BY pk") != before
