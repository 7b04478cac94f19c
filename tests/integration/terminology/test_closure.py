"""$closure: tables that are kept for their clients, what each call brings, and what came after a version."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.fhir_server import SYSTEM, Pool, put, serve, with_scope
from tests.support.operation import run

from .test_expand import COLOURS, colours

Json = dict[str, Any]


def call(url: str, name: str | None, *codes: str, access: AccessContext = SYSTEM, version: str = "") -> Json:
    """The ConceptMap of a call."""
    parts: list[Json] = [{"name": "name", "valueString": name}] if name is not None else []
    parts += [{"name": "concept", "valueCoding": {"system": COLOURS, "code": code}} for code in codes]
    parts += [{"name": "version", "valueString": version}] if version else []
    body = encode({"resourceType": "Parameters", "parameter": parts})
    return decode(serve(url, lambda server: run("closure", server, access, Invocation(body=body))))


def pairs(found: Json) -> set[tuple[str, str]]:
    """The concepts of an answer, each with one that subsumes it."""
    return {
        (element["code"], target["code"])
        for group in found.get("group", ())
        for element in group["element"]
        for target in element["target"]
        if (group["source"], group["target"], target["equivalence"]) == (COLOURS, COLOURS, "subsumes")
    }


@pytest.mark.spec("FHIR R4 conceptmap-operation-closure.html")
def test_a_closure_table_grows(database_url: str, pool: Pool) -> None:
    """Each call gives what its concepts bring; what came after a version is given again; a name alone begins anew."""
    put(pool, colours(), "c")
    assert call(database_url, "mine")["version"] == "0"
    first = call(database_url, "mine", "crimson", "blue")
    assert (first["resourceType"], first["version"], pairs(first)) == ("ConceptMap", "1", set())
    second = call(database_url, "mine", "red")
    assert (second["version"], pairs(second)) == ("2", {("crimson", "red")})
    third = call(database_url, "mine", "warm", "red")
    assert (third["version"], pairs(third)) == ("3", {("crimson", "warm"), ("red", "warm")})
    again = call(database_url, "mine", "red")
    assert (again["version"], pairs(again)) == ("3", set())
    later = call(database_url, "mine", version="1")
    assert (later["version"], pairs(later)) == ("3", pairs(second) | pairs(third))
    assert pairs(call(database_url, "mine", version="3")) == set()
    assert call(database_url, "mine")["version"] == "0"
    assert pairs(call(database_url, "mine", "red", "crimson")) == {("crimson", "red")}


def test_a_code_system_that_is_written_anew(database_url: str, pool: Pool) -> None:
    """Concepts that were added before are those of what it is now: they stand above and below new ones."""
    put(pool, colours(), "c")
    call(database_url, "mine")
    call(database_url, "mine", "red")
    put(pool, colours(title="Colours"), "c")
    assert pairs(call(database_url, "mine", "crimson", "warm")) == {
        ("crimson", "red"), ("crimson", "warm"), ("red", "warm"),
    }  # fmt: skip


def test_a_closure_table_is_its_clients(database_url: str, pool: Pool) -> None:
    """Another client, and another user of the same, has none of this name."""
    put(pool, colours(), "c")
    call(database_url, "mine")
    for origin in (Origin(client="other"), replace(SYSTEM.origin, account="somebody")):
        with pytest.raises(HealixError) as caught:
            call(database_url, "mine", "red", access=replace(SYSTEM, origin=origin))
        assert caught.value.category is Category.NOT_FOUND


@pytest.mark.parametrize(
    ("name", "codes", "version", "category"),
    [
        (None, (), "", Category.INVALID),
        (" ", (), "", Category.INVALID),
        ("x" * 300, (), "", Category.INVALID),
        ("none", ("red",), "", Category.NOT_FOUND),
        ("none", (), "1", Category.NOT_FOUND),
        ("mine", ("green",), "", Category.INVALID),
        ("mine", ("red",), "1", Category.INVALID),
        ("mine", (), "one", Category.INVALID),
        ("mine", ("red",) * 1001, "", Category.INVALID),
    ],
)
def test_what_is_refused(
    database_url: str, pool: Pool, name: str | None, codes: tuple[str, ...], version: str, category: Category
) -> None:
    """A call that cannot be, or that is about what is not there."""
    put(pool, colours(), "c")
    call(database_url, "mine")
    with pytest.raises(HealixError) as caught:
        call(database_url, name, *codes, version=version)
    assert caught.value.category is category


def test_tables_and_callers_have_limits(database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many tables of a client, so many concepts of a table; and a scope for code systems is needed."""
    put(pool, colours(), "c")
    monkeypatch.setattr("healix_fhir.terminology.closure.TABLES", 2)
    monkeypatch.setattr("healix_fhir.terminology.closure.CONCEPTS", 2)
    call(database_url, "one")
    call(database_url, "two")
    with pytest.raises(HealixError, match="at most 2 closure tables"):
        call(database_url, "three")
    with pytest.raises(HealixError, match="at most 2 concepts"):
        call(database_url, "one", "red", "blue", "warm")
    assert call(database_url, "one", "red", "blue")["version"] == "1"
    monkeypatch.setattr("healix_fhir.terminology.closure.CONCEPTS", 9)
    monkeypatch.setattr("healix_fhir.terminology.closure.PAIRS", 2)
    with pytest.raises(HealixError, match="at most 2 pairs"):
        call(database_url, "one", "crimson", "warm")
    assert pairs(call(database_url, "one", "warm")) == {("red", "warm")}
    with pytest.raises(HealixError) as caught:
        call(database_url, "one", access=with_scope("system/ConceptMap.cruds"))
    assert caught.value.category is Category.FORBIDDEN
