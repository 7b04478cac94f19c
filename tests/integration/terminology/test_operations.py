"""$lookup, $validate-code and $subsumes of code systems."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.entry import run_entry
from tests.support.code_systems import COLOURS, call, code_system, properties, value
from tests.support.fhir_server import SYSTEM, Pool, put, rows, serve, with_scope

Json = dict[str, Any]
GENDER = "http://hl7.org/fhir/administrative-gender"
MARITAL = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"
UCUM = "http://unitsofmeasure.org"
TREE = code_system(
    {"code": "warm", "display": "Warm", "property": [{"code": "notSelectable", "valueBoolean": True}], "concept": [
        {"code": "red", "display": "Red", "definition": "As blood", "designation": [
            {"language": "de-AT", "value": "Rot", "use": {"system": "urn:use", "code": "full"}}, {"value": "Ruddy"}],
         "property": [{"code": "hex", "valueString": "FF0000"}, {"code": "next", "valueCode": "pink"},
                      {"code": "rank", "valueInteger": 3}, {"code": "weight", "valueDecimal": 1.50},
                      {"code": "like", "valueCoding": {"system": "urn:s", "code": "c", "display": "D"}}]},
        {"code": "pink", "display": "Pink", "property": [{"code": "inactive", "valueBoolean": True}]}]},
    {"code": "blue", "display": "Blue"},
    version="2", name="Colours",
)  # fmt: skip


def ask(url: str, name: str, query: str | Json, **more: Any) -> Json:
    """What an operation answers."""
    return serve(url, lambda server: call(server, name, query, **more))


def refusal(url: str, name: str, query: str | Json, **more: Any) -> Category:
    """With what it is refused."""
    with pytest.raises(HealixError) as caught:
        ask(url, name, query, **more)
    return caught.value.category


@pytest.mark.spec("FHIR R4 codesystem-operation-lookup.html")
def test_lookup(pool: Pool, database_url: str) -> None:
    """Without properties everything is told of a concept; each value keeps its type."""
    put(pool, TREE, "t")
    answer = ask(database_url, "lookup", f"system={COLOURS}&code=red")
    assert [value(answer, name) for name in ("name", "version", "display")] == ["Colours", "2", "Red"]
    assert properties(answer) == {
        "definition": ["As blood"], "hex": ["FF0000"], "next": ["pink"], "rank": [3], "weight": [1.50],
        "like": [{"system": "urn:s", "code": "c", "display": "D"}], "parent": ["warm"],
    }  # fmt: skip
    names = [part["part"] for part in answer["parameter"] if part["name"] == "designation"]
    assert [value({"parameter": one}, "value") for one in names] == ["Rot", "Ruddy"]
    assert value({"parameter": names[0]}, "use") == {"system": "urn:use", "code": "full"}
    described = [part["part"] for part in answer["parameter"] if part["name"] == "property"]
    assert {"name": "description", "valueString": "Pink"} in next(p for p in described if p[0]["valueCode"] == "next")
    assert properties(ask(database_url, "lookup", f"system={COLOURS}&code=warm"))["child"] == ["red", "pink"]
    assert properties(ask(database_url, "lookup", f"system={COLOURS}&code=pink"))["inactive"] == [True]


@pytest.mark.spec("FHIR R4 codesystem-operation-lookup.html")
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("property=hex", {"hex": ["FF0000"]}),
        ("property=hex&property=parent", {"hex": ["FF0000"], "parent": ["warm"]}),
        ("property=definition", {"definition": ["As blood"]}),
        ("property=inactive", {"inactive": [False]}),
        ("property=url", {"url": [COLOURS]}),
        ("property=child", {}),
        ("property=none", {}),
    ],
)
def test_lookup_of_properties(pool: Pool, database_url: str, asked: str, expected: Json) -> None:
    """What is asked for is told, and nothing else."""
    put(pool, TREE, "t")
    answer = ask(database_url, "lookup", f"system={COLOURS}&code=red&{asked}")
    assert properties(answer) == expected
    assert "designation" not in {part["name"] for part in answer["parameter"]}


@pytest.mark.parametrize(
    ("asked", "display", "designations"),
    [
        ("displayLanguage=de", "Rot", 2),
        ("displayLanguage=de-AT", "Rot", 2),
        ("displayLanguage=de-CH", "Red", 2),
        ("displayLanguage=fr", "Red", 2),
        ("property=lang.de", "Red", 1),
        ("property=designation", "Red", 2),
    ],
)
def test_lookup_in_a_language(pool: Pool, database_url: str, asked: str, display: str, designations: int) -> None:
    """The display is that of the language, or of a dialect of it, where there is one; lang.X selects designations."""
    put(pool, TREE, "t")
    answer = ask(database_url, "lookup", f"system={COLOURS}&code=red&{asked}")
    assert value(answer, "display") == display
    assert sum(part["name"] == "designation" for part in answer["parameter"]) == designations


def test_lookup_by_a_coding(pool: Pool, database_url: str) -> None:
    """A coding tells system, version and code together."""
    put(pool, TREE, "t")
    put(pool, {**TREE, "version": "3", "name": "Newer"}, "u")
    coding = {"system": COLOURS, "version": "2", "code": "blue"}
    assert value(ask(database_url, "lookup", {"coding": {"valueCoding": coding}}), "name") == "Colours"
    del coding["version"]
    assert value(ask(database_url, "lookup", {"coding": {"valueCoding": coding}}), "name") == "Newer"


@pytest.mark.parametrize(
    ("query", "category"),
    [
        ("code=red", Category.INVALID),
        (f"system={COLOURS}", Category.INVALID),
        (f"system={COLOURS}&code=none", Category.NOT_FOUND),
        (f"system={COLOURS}&version=9&code=red", Category.NOT_FOUND),
        ("system=urn:none&code=red", Category.NOT_FOUND),
        (f"system={COLOURS}&code=red&date=1999", Category.INVALID),
        (f"system={UCUM}&code=nonsense", Category.NOT_FOUND),
        ("system=http://snomed.info/sct&code=1", Category.NOT_FOUND),
    ],
)
def test_lookup_that_is_refused(pool: Pool, database_url: str, query: str, category: Category) -> None:
    """What names no code, or is not known, is refused by category."""
    put(pool, TREE, "t")
    assert refusal(database_url, "lookup", query) is category


def test_many_children_are_told_when_asked_for(pool: Pool, database_url: str) -> None:
    """Of a concept with hundreds of children these are answered on demand only."""
    many = [{"code": f"c{n}"} for n in range(300)]
    put(pool, code_system({"code": "top", "concept": many}), "t")
    assert "child" not in properties(ask(database_url, "lookup", f"system={COLOURS}&code=top"))
    assert len(properties(ask(database_url, "lookup", f"system={COLOURS}&code=top&property=child"))["child"]) == 300


@pytest.mark.spec("FHIR R4 codesystem-operation-validate-code.html")
@pytest.mark.parametrize(
    ("query", "result"),
    [
        (f"url={COLOURS}&code=red", True),
        (f"url={COLOURS}&code=RED", False),
        (f"url={COLOURS}&version=2&code=red", True),
        (f"url={COLOURS}&code=green", False),
        (f"url={COLOURS}&code=red&display=Red", True),
        (f"url={COLOURS}&code=red&display=%20red", True),
        (f"url={COLOURS}&code=red&display=Ruddy", True),
        (f"url={COLOURS}&code=red&display=Rot&displayLanguage=de", True),
        (f"url={COLOURS}&code=red&display=Blue", False),
        (f"url={COLOURS}&code=warm", False),
        (f"url={COLOURS}&code=warm&abstract=true", True),
        (f"url={COLOURS}&code=pink", True),
        (f"url={GENDER}&code=male&display=Male", True),
        (f"url={UCUM}&code=mg/dL", True),
        (f"url={UCUM}&code=mg//dL", False),
        ({"coding": {"valueCoding": {"system": COLOURS, "code": "red"}}}, True),
        ({"url": {"valueUri": COLOURS}, "coding": {"valueCoding": {"code": "red"}}}, True),
        ({"url": {"valueUri": COLOURS}, "coding": {"valueCoding": {"system": GENDER, "code": "red"}}}, False),
        ({"url": {"valueUri": COLOURS}, "codeableConcept": {"valueCodeableConcept": {"coding": [
            {"system": GENDER, "code": "male"}, {"system": COLOURS, "code": "red"}]}}}, True),
        ({"url": {"valueUri": COLOURS}, "codeableConcept": {"valueCodeableConcept": {"coding": [
            {"system": GENDER, "code": "male"}, {"system": COLOURS, "code": "none"}]}}}, False),
        ({"codeSystem": code_system("a"), "code": {"valueCode": "a"}}, True),
        ({"codeSystem": code_system("a"), "code": {"valueCode": "b"}}, False),
        ({"codeSystem": code_system("Aa", caseSensitive=False), "code": {"valueCode": "aA"}}, True),
    ],
)  # fmt: skip
def test_validate_code(pool: Pool, database_url: str, query: str | Json, result: bool) -> None:
    """A code is right if its system has it, it may be chosen, and it is called so."""
    put(pool, TREE, "t")
    answer = ask(database_url, "validate-code", query)
    assert value(answer, "result") is result
    assert result or value(answer, "message")


def test_validate_code_tells_what_a_code_is_called(pool: Pool, database_url: str) -> None:
    """The answer has the display, in the language that is asked for, and a hint of what is inactive."""
    put(pool, TREE, "t")
    answer = ask(database_url, "validate-code", f"url={COLOURS}&code=red&display=x&displayLanguage=de")
    assert (value(answer, "display"), "not called 'x'" in value(answer, "message")) == ("Rot", True)
    assert "inactive" in value(ask(database_url, "validate-code", f"url={COLOURS}&code=pink"), "message")


@pytest.mark.parametrize(
    ("query", "category"),
    [
        (f"url={COLOURS}", Category.INVALID),
        ("code=red", Category.INVALID),
        ({"url": {"valueUri": COLOURS}, "coding": {"valueCoding": {"display": "x"}}}, Category.INVALID),
        ({"url": {"valueUri": COLOURS}, "code": {"valueCode": "a"}, "codeSystem": code_system("a")}, Category.INVALID),
        ({"url": {"valueUri": COLOURS}, "codeableConcept": {"valueCodeableConcept": {"text": "x"}}}, Category.INVALID),
        ("url=urn:none&code=a", Category.NOT_FOUND),
        (f"url={COLOURS}&code=red&date=2001-01-01", Category.INVALID),
    ],
)
def test_validate_code_that_is_refused(pool: Pool, database_url: str, query: str | Json, category: Category) -> None:
    """What asks for no code, or of no known code system, is refused."""
    put(pool, TREE, "t")
    assert refusal(database_url, "validate-code", query) is category


@pytest.mark.spec("FHIR R4 codesystem-operation-subsumes.html")
@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("red", "red", "equivalent"),
        ("warm", "red", "subsumes"),
        ("red", "warm", "subsumed-by"),
        ("red", "pink", "not-subsumed"),
        ("warm", "blue", "not-subsumed"),
    ],
)
def test_subsumes(pool: Pool, database_url: str, a: str, b: str, expected: str) -> None:
    """Codes stand to each other as their hierarchy has them: by url, by coding, and on the CodeSystem itself."""
    put(pool, TREE, "t")
    by_coding = {f"coding{x}": {"valueCoding": {"system": COLOURS, "code": c}} for x, c in (("A", a), ("B", b))}
    assert value(ask(database_url, "subsumes", f"system={COLOURS}&codeA={a}&codeB={b}"), "outcome") == expected
    assert value(ask(database_url, "subsumes", by_coding), "outcome") == expected
    assert value(ask(database_url, "subsumes", f"codeA={a}&codeB={b}", id_="t"), "outcome") == expected


@pytest.mark.parametrize(
    ("query", "id_", "category"),
    [
        (f"system={COLOURS}&codeA=red", None, Category.INVALID),
        ("codeA=red&codeB=red", None, Category.INVALID),
        (f"system={COLOURS}&codeA=red&codeB=none", None, Category.NOT_FOUND),
        (f"system={GENDER}&codeA=red&codeB=red", "t", Category.INVALID),
        ("codeA=red&codeB=red", "none", Category.NOT_FOUND),
        ({"codingA": {"valueCoding": {"system": COLOURS, "code": "red"}},
          "codingB": {"valueCoding": {"system": GENDER, "code": "male"}}}, None, Category.INVALID),
    ],
)  # fmt: skip
def test_subsumes_that_is_refused(
    pool: Pool, database_url: str, query: str | Json, id_: str | None, category: Category
) -> None:
    """Two codes of one known code system are needed."""
    put(pool, TREE, "t")
    assert refusal(database_url, "subsumes", query, id_=id_) is category


def test_what_a_caller_may_not_see(pool: Pool, database_url: str) -> None:
    """Who may not read CodeSystems is told nothing, not of R4's own either; who may, is told of those he may see."""
    put(pool, TREE, "t")
    for name, query in (
        ("lookup", f"system={COLOURS}&code=red"),
        ("validate-code", f"url={GENDER}&code=male"),
        ("subsumes", f"system={COLOURS}&codeA=red&codeB=red"),
    ):
        assert refusal(database_url, name, query, access=with_scope("system/ValueSet.cruds")) is Category.FORBIDDEN
        assert ask(database_url, name, query, access=with_scope("system/CodeSystem.r"))
    other = with_scope("system/CodeSystem.rs?url=urn:other")
    assert refusal(database_url, "lookup", f"system={COLOURS}&code=red", access=other) is Category.NOT_FOUND


def test_calls_are_in_the_trail(pool: Pool, database_url: str) -> None:
    """Each call is recorded with the code system that it asked."""
    for name, query in (("lookup", f"system={GENDER}&code=male"), ("validate-code", f"url={GENDER}&code=male")):
        ask(database_url, name, query)
    recorded = rows(pool, "SELECT action, subtype, entity FROM audit_event ORDER BY seq")
    assert recorded == [("E", "$lookup", GENDER), ("E", "$validate-code", GENDER)]


@pytest.mark.spec("FHIR R4 http.html#transaction")
def test_calls_in_a_batch(database_url: str) -> None:
    """A batch of calls answers each by itself."""
    urls = [f"CodeSystem/$validate-code?url={GENDER}&code={code}" for code in ("male", "x")]
    urls.append("CodeSystem/$lookup?system=urn:none&code=a")
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": url}} for url in urls]}  # fmt: skip

    async def use(server: Interactions) -> list[Any]:
        page = await server.bundle(SYSTEM, encode(bundle), call=run_entry)
        return [(e.response.status, decode(e.body) if e.body else None) for e in page.entries if e.response]

    (first, one), (second, two), (third, _) = serve(database_url, use)
    assert [first, second, third[:3]] == ["200 OK", "200 OK", "404"]
    assert (value(one, "result"), value(two, "result")) == (True, False)


def test_many_at_once_fill_once(pool: Pool, database_url: str) -> None:
    """Calls that come together for a code system which is not in the tables yet all get their answer."""

    async def use(server: Interactions) -> list[Json]:
        calls = (call(server, "validate-code", f"url={MARITAL}&code=M") for _ in range(8))
        return list(await asyncio.gather(*calls))

    assert [value(answer, "result") for answer in serve(database_url, use)] == [True] * 8
    assert rows(pool, "SELECT count(*) FROM code_system") == [(1,)]
