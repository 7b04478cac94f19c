"""Conditional create, update, patch and delete: every row of R4's tables, within what the caller may see."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from healix_fhir.interaction.result import Stored, Written
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import open_async_pool
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from smart_auth.access import AccessContext
from tests.support.fhir_server import BASE, SYSTEM, Pool, body, of_patient, put, rows, serve, with_scope
from tests.support.resources import observation, patient

MRN = "urn:oid:1.2.36"
JSON_PATCH = "application/json-patch+json"
DEACTIVATE = encode([{"op": "replace", "path": "/active", "value": False}])


def person(value: str, **elements: Any) -> dict[str, Any]:
    """A patient with an identifier."""
    return patient(identifier=[{"system": MRN, "value": value}], **elements)


def by(value: str) -> list[tuple[str, str]]:
    """The condition on an identifier."""
    return [("identifier", f"{MRN}|{value}")]


@pytest.fixture
def clinic(pool: Pool) -> Pool:
    """Patients `one`, and `twin1` and `twin2` who share an identifier."""
    for id_, value in (("one", "1"), ("twin1", "2"), ("twin2", "2")):
        put(pool, person(value), id_)
    return pool


async def create(server: Interactions, value: str, access: AccessContext = SYSTEM, **elements: Any) -> Written:
    """A conditional create on an identifier."""
    return await server.create(access, "Patient", body(person(value, **elements)), f"identifier={MRN}|{value}")


async def update(server: Interactions, value: str, access: AccessContext = SYSTEM, **elements: Any) -> Written:
    """A conditional update on an identifier."""
    more = {name: elements.pop(name) for name in ("if_match", "only_new") if name in elements}
    return await server.update_where(access, "Patient", by(value), body(person(value, **elements)), **more)


async def patch(server: Interactions, value: str, access: AccessContext = SYSTEM, **more: Any) -> Written:
    """A conditional patch on an identifier."""
    return await server.patch_where(access, "Patient", by(value), DEACTIVATE, JSON_PATCH, **more)


async def delete(server: Interactions, value: str, access: AccessContext = SYSTEM, **more: Any) -> list[Stored]:
    """A conditional delete on an identifier."""
    return await server.delete_where(access, "Patient", by(value), **more)


def refused(url: str, call: Callable[[Interactions], Awaitable[Any]]) -> HealixError:
    """How a call is refused."""
    with pytest.raises(HealixError) as error:
        serve(url, call)
    return error.value


def versions(pool: Pool) -> dict[str, int]:
    """The version of each resource that is not deleted."""
    return dict(rows(pool, "SELECT id, version FROM resource WHERE NOT deleted"))


@pytest.mark.spec("FHIR R4 http.html#ccreate")
def test_create_makes_one_only_where_none_is(clinic: Pool, database_url: str) -> None:
    """No match: created; one: that one, as it is; several: refused."""
    made = serve(database_url, lambda server: create(server, "9"))
    assert (made.created, made.stored.version) == (True, 1)
    before = versions(clinic)
    found = serve(database_url, lambda server: create(server, "1", active=False))
    assert (found.created, found.changed, found.stored.id) == (False, False, "one")
    assert decode(found.stored.body)["active"] is True
    error = refused(database_url, lambda server: create(server, "2"))
    assert (error.category, error.issues[0].code) == (Category.PRECONDITION_FAILED, "multiple-matches")
    assert versions(clinic) == before


@pytest.mark.spec("FHIR R4 http.html#cond-update")
def test_update_follows_its_table(clinic: Pool, database_url: str) -> None:
    """None without id: created by the server; none with id: under that id; one: updated; several: refused."""
    made = serve(database_url, lambda server: update(server, "8"))
    assert made.created
    assert made.stored.id not in ("one", "")
    chosen = serve(database_url, lambda server: update(server, "9", id="mine"))
    assert (chosen.created, chosen.stored.id) == (True, "mine")
    for id_ in ({}, {"id": "one"}):
        changed = serve(database_url, lambda server, id_=id_: update(server, "1", active=not id_, **id_))  # type: ignore[misc]
        assert (changed.created, changed.stored.id) == (False, "one")
    assert versions(clinic)["one"] == 2
    error = refused(database_url, lambda server: update(server, "2"))
    assert error.category is Category.PRECONDITION_FAILED


@pytest.mark.spec("FHIR R4 http.html#cond-update")
@pytest.mark.parametrize(
    ("value", "elements", "category"),
    [
        ("1", {"id": "other"}, Category.INVALID),
        ("9", {"id": "one"}, Category.CONFLICT),
        ("9", {"id": "a_b"}, Category.INVALID),
        ("9", {"if_match": 1}, Category.PRECONDITION_FAILED),
        ("1", {"if_match": 2}, Category.PRECONDITION_FAILED),
        ("1", {"only_new": True}, Category.PRECONDITION_FAILED),
        ("1", {"active": "yes"}, Category.INVALID),
    ],
)
def test_update_refuses_what_does_not_fit(
    clinic: Pool, database_url: str, value: str, elements: dict[str, Any], category: Category
) -> None:
    """Another id than the match has, an id that is taken, another version than was meant: nothing is written."""
    before = versions(clinic)
    assert refused(database_url, lambda server: update(server, value, **elements)).category is category
    assert versions(clinic) == before


@pytest.mark.spec("FHIR R4 http.html#cond-update")
def test_update_with_the_version_it_is_meant_for(clinic: Pool, database_url: str) -> None:
    """If-Match holds of the match; a body that changes nothing makes no version."""
    done = serve(database_url, lambda server: update(server, "1", active=False, if_match=1))
    assert (done.stored.version, done.changed) == (2, True)
    again = serve(database_url, lambda server: update(server, "1", active=False))
    assert (again.stored.version, again.changed) == (2, False)
    assert versions(clinic)["one"] == 2


@pytest.mark.spec("FHIR R4 http.html#patch")
def test_patch_changes_the_one_that_matches(clinic: Pool, database_url: str) -> None:
    """None: not found; one: patched, once; several, or another version than was meant: refused."""
    done = serve(database_url, lambda server: patch(server, "1", if_match=1))
    assert (done.stored.id, done.stored.version) == ("one", 2)
    assert decode(done.stored.body)["active"] is False
    assert not serve(database_url, lambda server: patch(server, "1")).changed
    calls: list[tuple[Callable[[Interactions], Awaitable[Any]], Category]] = [
        (lambda server: patch(server, "9"), Category.NOT_FOUND),
        (lambda server: patch(server, "2"), Category.PRECONDITION_FAILED),
        (lambda server: patch(server, "1", if_match=1), Category.PRECONDITION_FAILED),
    ]
    assert [refused(database_url, call).category for call, _ in calls] == [category for _, category in calls]
    assert versions(clinic) == {"one": 2, "twin1": 1, "twin2": 1}


@pytest.mark.spec("FHIR R4 http.html#delete")
def test_delete_takes_one_and_refuses_several(clinic: Pool, database_url: str) -> None:
    """None: nothing to do; one: deleted; several: refused, unless the server deletes several."""
    assert serve(database_url, lambda server: delete(server, "9")) == []
    (gone,) = serve(database_url, lambda server: delete(server, "1", if_match=1))
    assert (gone.id, gone.version) == ("one", 2)
    assert refused(database_url, lambda server: delete(server, "2")).category is Category.PRECONDITION_FAILED
    error = refused(database_url, lambda server: delete(server, "9", if_match=1))
    assert error.category is Category.PRECONDITION_FAILED
    assert versions(clinic) == {"twin1": 1, "twin2": 1}


@pytest.mark.spec("FHIR R4 http.html#delete")
def test_a_server_may_delete_several_up_to_a_limit(
    clinic: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the setting `multiple` all matches go in one transaction; above the limit none does."""

    async def use(server: Interactions) -> list[Stored]:
        server.writing.delete_several = True
        return await delete(server, "2")

    monkeypatch.setattr("healix_fhir.interaction.writing.MULTIPLE", 1)
    assert refused(database_url, use).category is Category.PRECONDITION_FAILED
    monkeypatch.undo()
    assert sorted(stored.id for stored in serve(database_url, use)) == ["twin1", "twin2"]
    assert versions(clinic) == {"one": 1}
    deleted = rows(clinic, "SELECT count(*) FROM audit_event WHERE action = 'D'")
    assert deleted == [(2,)]


@pytest.mark.parametrize(
    "condition",
    ["", "?", "_format=json", "nonsense=1", "_count=1", "identifier=a&_sort=birthdate", "birthdate=yesterday",
     "Observation?identifier=1", "identifier=%ff", "&".join(["active=true"] * 101)],
)  # fmt: skip
def test_what_is_no_condition_is_refused(clinic: Pool, database_url: str, condition: str) -> None:
    """No criteria, unknown ones, those that only shape results: nothing is created."""
    before = versions(clinic)
    error = refused(database_url, lambda server: server.create(SYSTEM, "Patient", body(person("1")), condition))
    assert error.category is Category.INVALID
    assert versions(clinic) == before


def test_a_condition_may_be_written_as_a_url(clinic: Pool, database_url: str) -> None:
    """`Patient?…` and `?…` mean what `…` means."""
    for before in ("Patient?", "?", ""):
        text = f"{before}identifier={MRN}%7C1&_format=json"
        found = serve(database_url, lambda server, text=text: server.create(SYSTEM, "Patient", body(person("1")), text))  # type: ignore[misc]
        assert found.stored.id == "one"
    assert len(versions(clinic)) == 3


def test_every_conditional_verb_needs_both_its_permission_and_search(clinic: Pool, database_url: str) -> None:
    """Without the verb's permission, or without that to search, a token is forbidden before anything is looked for."""
    calls: dict[str, Callable[[Interactions, AccessContext], Awaitable[Any]]] = {
        "c": lambda server, access: create(server, "1", access),
        "u": lambda server, access: update(server, "1", access),
        "d": lambda server, access: delete(server, "1", access),
    }
    patching: Callable[[Interactions, AccessContext], Awaitable[Any]] = lambda server, access: patch(  # noqa: E731
        server, "1", access
    )
    for permission, call in [*calls.items(), ("u", patching)]:
        others = "".join(letter for letter in "cruds" if letter != permission)
        for scope in (f"system/Patient.{others}", f"system/Patient.{permission}", "system/Encounter.cruds"):
            error = refused(database_url, lambda server, call=call, scope=scope: call(server, with_scope(scope)))  # type: ignore[misc]
            assert error.category is Category.FORBIDDEN, (permission, scope)
    assert versions(clinic) == {"one": 1, "twin1": 1, "twin2": 1}


def test_conditions_match_nothing_out_of_sight(clinic: Pool, database_url: str) -> None:
    """Another patient's resource neither matches nor is changed, and answers as if it were not there."""
    put(clinic, observation("Patient/one", identifier=[{"value": "x"}]), "o")
    mine = of_patient(clinic, "twin1")
    condition = [("identifier", "x")]
    sent = body(observation("Patient/twin1", identifier=[{"value": "x"}]))

    async def use(server: Interactions) -> Written:
        assert await server.delete_where(mine, "Observation", condition) == []
        with pytest.raises(HealixError) as error:
            await server.patch_where(mine, "Observation", condition, b"[]", JSON_PATCH)
        assert error.value.category is Category.NOT_FOUND
        return await server.create(mine, "Observation", sent, "identifier=x")

    made = serve(database_url, use)
    assert made.created
    assert made.stored.id != "o"
    assert versions(clinic)["o"] == 1


def test_what_is_found_is_shown_to_those_who_may_read_it(clinic: Pool, database_url: str) -> None:
    """A caller who may create and search, but not read, learns where it is and no more."""
    blind = serve(database_url, lambda server: create(server, "1", with_scope("system/Patient.cs")))
    assert (blind.stored.id, blind.stored.version, blind.stored.body) == ("one", 1, b"")
    read = rows(clinic, "SELECT count(*) FROM audit_event WHERE subtype = 'read'")
    assert read == [(0,)]


@pytest.mark.spec("FHIR R4 http.html#ccreate")
def test_fifty_at_once_make_one(pool: Pool, database_url: str) -> None:
    """Conditional creates and updates under one condition, from two processes' pools: one creates, all name it."""

    async def use() -> list[Written]:
        pools = [await open_async_pool(database_url, size=4) for _ in range(2)]
        servers = [Interactions(opened, (BASE,)) for opened in pools]
        try:
            return await asyncio.gather(
                *((create if n % 2 else update)(servers[n // 2 % 2], "7", active=True) for n in range(50))
            )
        finally:
            for opened in pools:
                await opened.close()

    done = asyncio.run(use())
    assert len({written.stored.id for written in done}) == 1
    assert sum(written.created for written in done) == 1
    assert rows(pool, "SELECT count(*) FROM resource") == [(1,)]


def test_a_match_that_changes_meanwhile_is_looked_at_again(clinic: Pool, database_url: str) -> None:
    """Two who delete what is active, while a third deactivates it, delete nothing that is not active."""

    async def use(server: Interactions) -> None:
        condition = [("active", "true"), ("identifier", f"{MRN}|1")]
        for _ in range(10):
            await server.update(SYSTEM, "Patient", "one", body(person("1"), id="one", active=True))
            await asyncio.gather(
                server.update(SYSTEM, "Patient", "one", body(person("1"), id="one", active=False)),
                server.delete_where(SYSTEM, "Patient", condition),
            )
        for version, method in rows(clinic, "SELECT version, method FROM resource_history WHERE id = 'one'"):
            if method == "DELETE":
                before = await server.vread(SYSTEM, "Patient", "one", str(version - 1))
                assert decode(before.body)["active"] is True

    serve(database_url, use)
