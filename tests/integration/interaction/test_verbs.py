"""The rules of the single verbs, from bytes to bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode
from tests.support.fhir_server import BASE, SYSTEM, Pool, body, rows, serve, with_scope
from tests.support.resources import observation, patient

Call = Callable[[Interactions], Awaitable[Any]]


def refused(url: str, call: Call) -> HealixError:
    """How a call is refused."""
    with pytest.raises(HealixError) as error:
        serve(url, call)
    return error.value


@pytest.mark.spec("FHIR R4 http.html#create")
def test_create_ignores_the_id_of_the_body(database_url: str) -> None:
    """A new resource gets an id from the server, version 1 and the time."""
    made = serve(database_url, lambda server: server.create(SYSTEM, "Patient", body(patient(), id="mine")))
    stored = decode(made.stored.body)
    assert made.stored.id == stored["id"] != "mine"
    assert (made.created, stored["meta"]["versionId"], made.stored.etag) == (True, "1", 'W/"1"')


@pytest.mark.spec("FHIR R4 http.html#read")
def test_a_read_gives_the_bytes_that_were_stored(database_url: str) -> None:
    """Decimals keep their digits and members their order."""

    async def use(server: Interactions) -> None:
        sent = body(observation()).replace(b'"value":72', b'"value":72.500')
        made = await server.create(SYSTEM, "Observation", sent)
        assert b'"value":72.500' in made.stored.body
        assert await server.read(SYSTEM, "Observation", made.stored.id) == made.stored

    serve(database_url, use)


@pytest.mark.parametrize(
    ("sent", "category"),
    [
        (b"{", Category.INVALID),
        (b"", Category.INVALID),
        (b"[]", Category.INVALID),
        (b'{"resourceType":"Observation"}', Category.INVALID),
        (b'{"active":true}', Category.INVALID),
        (b'{"resourceType":"Patient","active":true,"active":false}', Category.INVALID),
        (b'{"resourceType":"Patient","active":"yes"}', Category.INVALID),
        (b'{"resourceType":"Patient","multipleBirthInteger":NaN}', Category.INVALID),
    ],
)
def test_what_is_not_valid_is_not_stored(pool: Pool, database_url: str, sent: bytes, category: Category) -> None:
    """Malformed, mistyped and invalid bodies are refused and leave nothing."""
    assert refused(database_url, lambda server: server.create(SYSTEM, "Patient", sent)).category is category
    assert rows(pool, "SELECT count(*) FROM resource") == [(0,)]
    assert rows(pool, "SELECT count(*) FROM outbox") == [(0,)]


def test_all_issues_are_reported(database_url: str) -> None:
    """A body with two errors is refused with both, each with its place."""
    sent = body(patient(), active="yes", birthDate="tomorrow")
    error = refused(database_url, lambda server: server.create(SYSTEM, "Patient", sent))
    assert {issue.expression[0] for issue in error.issues} == {"Patient.active", "Patient.birthDate"}


@pytest.mark.spec("FHIR R4 http.html#update")
@pytest.mark.parametrize("id_", [None, "other"])
def test_an_update_needs_the_id_of_its_url(database_url: str, id_: str | None) -> None:
    """A missing or different id in the body is refused."""
    sent = body(patient(), id=id_) if id_ else body(patient())
    error = refused(database_url, lambda server: server.update(SYSTEM, "Patient", "p", sent))
    assert (error.category, error.issues[0].expression) == (Category.INVALID, ("Resource.id",))


@pytest.mark.spec("FHIR R4 http.html#upsert")
def test_update_creates_under_the_callers_id(database_url: str) -> None:
    """A new id is a create, the second time an update, the same body no version."""

    async def use(server: Interactions) -> list[tuple[bool, bool, int]]:
        done = [
            await server.update(SYSTEM, "Patient", "p", body(patient(), id="p", active=active))
            for active in (True, False, False)
        ]
        return [(one.created, one.changed, one.stored.version) for one in done]

    assert serve(database_url, use) == [(True, True, 1), (False, True, 2), (False, False, 2)]


@pytest.mark.parametrize("id_", ["a_b", "x" * 65, "a/b", ""])
def test_an_id_must_have_the_form_of_one(database_url: str, id_: str) -> None:
    """An update under an impossible id is refused; a read of one finds nothing."""
    sent = body(patient(), id=id_)
    error = refused(database_url, lambda server: server.update(SYSTEM, "Patient", id_, sent))
    assert error.category is Category.INVALID
    error = refused(database_url, lambda server: server.read(SYSTEM, "Patient", id_))
    assert error.category is Category.NOT_FOUND


def test_unknown_types_are_not_found(database_url: str) -> None:
    """Every verb answers alike for what is no R4 type."""
    sent = body({"resourceType": "Spaceship", "id": "x"})
    calls: list[Call] = [
        lambda server: server.read(SYSTEM, "Spaceship", "x"),
        lambda server: server.vread(SYSTEM, "Spaceship", "x", "1"),
        lambda server: server.history(SYSTEM, "Spaceship", "x", []),
        lambda server: server.create(SYSTEM, "Spaceship", sent),
        lambda server: server.update(SYSTEM, "Spaceship", "x", sent),
        lambda server: server.delete(SYSTEM, "Spaceship", "x"),
        lambda server: server.search(SYSTEM, "Spaceship", []),
    ]
    for call in calls:
        assert refused(database_url, call).category is Category.NOT_FOUND


def test_every_verb_needs_its_permission(database_url: str) -> None:
    """A token without scope for the type is forbidden every verb, before anything is read or parsed."""
    other = with_scope("system/Encounter.cruds")
    calls: list[Call] = [
        lambda server: server.read(other, "Patient", "x"),
        lambda server: server.vread(other, "Patient", "x", "1"),
        lambda server: server.history(other, "Patient", "x", []),
        lambda server: server.create(other, "Patient", b"{"),
        lambda server: server.update(other, "Patient", "x", b"{"),
        lambda server: server.delete(other, "Patient", "x"),
        lambda server: server.search(other, "Patient", []),
    ]
    for call in calls:
        assert refused(database_url, call).category is Category.FORBIDDEN


@pytest.mark.spec("FHIR R4 http.html#delete")
def test_a_deleted_resource_is_gone_and_its_versions_stay(database_url: str) -> None:
    """After a deletion a read answers Gone, a vread of an older version still gives it."""

    async def use(server: Interactions) -> None:
        made = await server.update(SYSTEM, "Patient", "p", body(patient(), id="p"))
        assert (await server.delete(SYSTEM, "Patient", "p")).version == 2  # type: ignore[union-attr]
        assert await server.delete(SYSTEM, "Patient", "none") is None
        for call in (server.read(SYSTEM, "Patient", "p"), server.vread(SYSTEM, "Patient", "p", "2")):
            with pytest.raises(HealixError) as error:
                await call
            assert error.value.category is Category.GONE
        assert await server.vread(SYSTEM, "Patient", "p", "1") == made.stored
        for version in ("3", "x", "99999999999", "-1"):
            with pytest.raises(HealixError) as error:
                await server.vread(SYSTEM, "Patient", "p", version)
            assert error.value.category is Category.NOT_FOUND

    serve(database_url, use)


def test_a_search_is_on_record_and_finds_what_was_stored(pool: Pool, database_url: str) -> None:
    """A search gives stored bytes, its links, and an audit row with the query."""

    async def use(server: Interactions) -> None:
        made = await server.create(SYSTEM, "Patient", body(patient()))
        page = await server.search(SYSTEM, "Patient", [("family", "byron"), ("nonsense", "1")])
        found, outcome = page.entries
        assert (found.full_url, found.body, found.mode) == (
            f"{BASE}/Patient/{made.stored.id}", made.stored.body, "match",
        )  # fmt: skip
        assert (page.kind, page.links["self"], outcome.mode) == ("searchset", "family=byron", "outcome")
        assert decode(outcome.body or b"")["resourceType"] == "OperationOutcome"

    serve(database_url, use)
    audit = rows(pool, "SELECT action, subtype, entity, query FROM audit_event ORDER BY seq DESC LIMIT 1")
    assert audit == [("E", "search-type", "Patient", "family=byron")]
