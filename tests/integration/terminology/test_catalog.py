"""Code systems of every source, as they are found by their canonical."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from psycopg.errors import ProgramLimitExceeded

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.profile.official import terminology, whole
from healix_fhir.store import packages
from healix_fhir.terminology import catalog, concepts
from healix_fhir.terminology.catalog import System
from healix_fhir.terminology.concepts import Concept
from smart_auth.access import AccessContext
from tests.support.fhir_server import SYSTEM, Pool, do, put, rows, with_scope
from tests.support.packages import package
from tests.support.query_recorder import query_recorder

Json = dict[str, Any]
COLOURS = "http://example.org/colours"
GENDER = "http://hl7.org/fhir/administrative-gender"


def colours(*codes: str, **elements: Any) -> Json:
    """A CodeSystem."""
    body = {"resourceType": "CodeSystem", "url": COLOURS, "status": "active", "content": "complete"}
    return {**body, "concept": [{"code": code} for code in codes], **elements}


def find(pool: Pool, canonical: str, access: AccessContext = SYSTEM) -> System:
    """The code system that a canonical means."""
    return do(pool, lambda: catalog.find(access, canonical))


def known(pool: Pool, canonical: str, access: AccessContext = SYSTEM) -> bool:
    """Whether a canonical means one."""
    return do(pool, lambda: catalog.find_each(access, [canonical]))[canonical] is not None


def codes(pool: Pool, system: System) -> list[str]:
    """All codes in their order."""
    return [concept.code for concept in do(pool, lambda: concepts.at(system, range(1, system.count + 1)))]


def below(pool: Pool, system: System, above: int, n: int) -> bool:
    """Whether the concept `n` is below another one."""
    return do(pool, lambda: concepts.subsumes(system, above, n))


def test_a_code_system_of_the_definitions(pool: Pool) -> None:
    """R4's own are there without being loaded, and cost one statement from the second time on."""
    system = find(pool, GENDER)
    assert (system.source, system.version, system.name) == ("definitions", "4.0.1", "AdministrativeGender")
    assert codes(pool, system) == ["male", "female", "other", "unknown"]
    with query_recorder() as recorded:
        assert find(pool, GENDER) == system
    assert len(recorded) == 1


def test_all_code_systems_of_the_definitions(pool: Pool) -> None:
    """Each of R4's code systems is put into the tables with as many concepts as it has codes."""

    def listed(found: Json) -> set[str]:
        return {found.get("code", "")}.union(*map(listed, found.get("concept", ())))

    urls = terminology("CodeSystem")
    found = do(pool, lambda: catalog.find_each(SYSTEM, urls))
    for url in urls:
        system, body = found[url], whole(url)
        assert system is not None
        assert body is not None
        assert system.count == len(listed(body) - {""})
    assert rows(pool, "SELECT count(*) FROM concept")[0][0] == sum(one.count for one in found.values() if one)


def test_a_code_system_that_is_written(pool: Pool) -> None:
    """A CodeSystem counts as soon as it is written, a change and a deletion too, and leaves no rows behind."""
    put(pool, colours("red"), "c")
    assert codes(pool, find(pool, COLOURS)) == ["red"]
    put(pool, colours("red", "blue"), "c")
    system = find(pool, COLOURS)
    assert (system.source, codes(pool, system)) == ("resource", ["red", "blue"])
    assert rows(pool, "SELECT count(*) FROM code_system WHERE url = %s", COLOURS) == [(1,)]
    put(pool, colours("red", status="retired"), "c")
    assert not known(pool, COLOURS)


def test_a_code_system_of_a_package(pool: Pool) -> None:
    """A package's code systems count when it is installed, and go before what is written over REST."""
    put(pool, colours("red"), "c")
    do(pool, lambda: packages.install(package(colours("green", version="1"))))
    system = find(pool, COLOURS)
    assert (system.source, codes(pool, system)) == ("package", ["green"])
    do(pool, lambda: packages.install(package(colours("green", version="1"), colours("gold", version="2"))))
    assert codes(pool, find(pool, COLOURS)) == ["gold"]


@pytest.mark.spec("FHIR R4 references.html#canonical")
@pytest.mark.parametrize(
    ("version", "expected"),
    [("", "10.2"), ("|9.1", "9.1"), ("|9", "9.1"), ("|10", "10.2"), ("|10.2", "10.2"), ("|1", None), ("|11", None)],
)
def test_versions(pool: Pool, version: str, expected: str | None) -> None:
    """Without a version the latest is meant, by numbers; with one that version, or the latest that begins with it."""
    for number in ("9.1", "10.2", "9.0"):
        put(pool, colours("red", version=number), f"c{number}")
    found = do(pool, lambda: catalog.find_each(SYSTEM, [COLOURS + version]))[COLOURS + version]
    assert (found.version if found else None) == expected


def test_nobody_replaces_what_r4_defines(pool: Pool) -> None:
    """A CodeSystem that is written under a url of R4's own is not meant by it."""
    put(pool, colours("purple", url=GENDER, version="99"), "c")
    assert find(pool, GENDER).source == "definitions"


@pytest.mark.parametrize(("scope", "sees"), [("system/CodeSystem.r", True), ("system/ValueSet.rs", False)])
def test_what_a_caller_may_not_see_is_not_known(pool: Pool, scope: str, sees: bool) -> None:
    """A CodeSystem that was written exists for those who may read CodeSystems, also once it is in the tables."""
    put(pool, colours("red"), "c")
    for _ in range(2):
        assert known(pool, COLOURS, with_scope(scope)) is sees
        find(pool, COLOURS)


def test_unknown_ones(pool: Pool) -> None:
    """What is no code system is answered as not found: nothing, a ValueSet, what was deleted."""
    for canonical in ("http://example.org/none", "http://hl7.org/fhir/ValueSet/administrative-gender", ""):
        with pytest.raises(HealixError) as caught:
            find(pool, canonical)
        assert caught.value.category is Category.NOT_FOUND


def test_many_ask_first_at_once(pool: Pool) -> None:
    """Callers who ask for a code system at the same time get the same one, and it is there once."""
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: find(pool, GENDER), range(8)))
    assert len(set(found)) == 1
    assert rows(pool, "SELECT count(*) FROM code_system") == [(1,)]


def test_concepts_and_what_is_beside_them(pool: Pool) -> None:
    """Concepts are read by code and number, with parents, children, designations and properties."""
    tree = colours(
        concept=[
            {"code": "red", "display": "Red", "definition": "As blood", "concept": [
                {"code": "crimson", "designation": [{"language": "de", "value": "Karmesin"}],
                 "property": [{"code": "hex", "valueString": "DC143C"}]}]},
            {"code": "pink", "concept": [{"code": "crimson"}]},
        ]
    )  # fmt: skip
    put(pool, tree, "c")
    system = find(pool, COLOURS)
    found = do(pool, lambda: concepts.look_up(system, ["red", "crimson", "none"]))
    assert found["red"] == Concept(1, "red", "Red", "As blood", inactive=False, abstract=False)
    assert sorted(found) == ["crimson", "red"]
    n = found["crimson"].n
    assert [one.code for one in do(pool, lambda: concepts.parents(system, n))] == ["red", "pink"]
    assert [one.code for one in do(pool, lambda: concepts.children(system, 1))] == ["crimson"]
    assert do(pool, lambda: concepts.below(system, 3)) == (2, 4)
    assert [below(pool, system, *pair) for pair in ((1, 2), (2, 1), (3, 2), (1, 3), (2, 2))] == [
        True, False, True, False, True]  # fmt: skip
    (designation,) = do(pool, lambda: concepts.designations(system, [n]))[n]
    assert (designation.value, designation.language) == ("Karmesin", "de")
    (hex_,) = do(pool, lambda: concepts.properties(system, [n], ["hex"]))[n]
    assert (hex_.value, do(pool, lambda: concepts.properties(system, [n], ["other"]))) == ("DC143C", {})


def test_numbers_of_what_is_not_to_be_used(pool: Pool) -> None:
    """A code system has the numbers of its inactive and of its abstract concepts."""
    gone, shut = [{"code": "inactive", "valueBoolean": True}], [{"code": "notSelectable", "valueBoolean": True}]
    put(
        pool,
        colours(concept=[
            {"code": "a", "property": gone}, {"code": "b", "property": gone}, {"code": "c", "property": shut},
            {"code": "d", "property": gone}]),
        "c",
    )  # fmt: skip
    system = find(pool, COLOURS)
    found = rows(pool, "SELECT inactive::text, abstract::text FROM code_system WHERE id = %s", system.id)
    assert found == [("{[1,3),[4,5)}", "{[3,4)}")]


def test_what_cannot_be_read_stands_in_nobodys_way(pool: Pool) -> None:
    """Of several with one url only the one that is meant is put into the tables; another may never fit there."""
    long = "".join(f"{n:06}" for n in range(1000))  # longer than an index takes
    put(pool, colours(long, version="9"), "c")
    put(pool, colours("red", version="10"), "d")
    assert codes(pool, find(pool, COLOURS)) == ["red"]
    do(pool, lambda: packages.install(package(colours("green", version="1"))))
    assert codes(pool, find(pool, COLOURS)) == ["green"]
    with pytest.raises(ProgramLimitExceeded):
        find(pool, f"{COLOURS}|9")
