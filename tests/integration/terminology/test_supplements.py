"""Supplements of code systems in $lookup, $expand, $validate-code and the value sets that need them."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.invocation import Invocation
from tests.support.code_systems import COLOURS, call, code_system, properties, value
from tests.support.fhir_server import SYSTEM, Pool, of_patient, put, serve
from tests.support.operation import run

Json = dict[str, Any]
SUPPLEMENT = "http://example.org/supplement"
EXTENSION = "http://hl7.org/fhir/StructureDefinition/valueset-supplement"
NEEDED = f"useSupplement={SUPPLEMENT}"
HL7 = "http://hl7.org/fhir/CodeSystem/example"


def supplement(**elements: Any) -> Json:
    """What somebody adds to the colours: names in another language, and a property."""
    red = {"code": "red", "display": "Rosso", "designation": [{"language": "it-CH", "value": "Rosso!"}],
           "property": [{"code": "mood", "valueString": "angry"}]}  # fmt: skip
    nowhere = {"code": "nowhere", "display": "Nessuno"}
    return code_system(
        red,
        nowhere,
        **{"url": SUPPLEMENT, "content": "supplement", "supplements": COLOURS, "language": "it"} | elements,
    )


@pytest.fixture(autouse=True)
def there(pool: Pool) -> None:
    """A code system and its supplement."""
    put(pool, code_system({"code": "red", "display": "Red"}, {"code": "blue", "display": "Blue"}, version="1.2"), "c")
    put(pool, supplement(), "s")


def lookup(url: str, query: str) -> Json:
    """What $lookup answers."""
    return serve(url, lambda server: call(server, "lookup", query))


def on_value_set(url: str, name: str, include: Json, extension: str = "", **given: Any) -> Json:
    """What an operation answers of a value set that is sent."""
    sent: Json = {
        "resourceType": "ValueSet",
        "status": "draft",
        "compose": {"include": [{"system": COLOURS} | include]},
    }
    if extension:
        sent["extension"] = [{"url": EXTENSION, "valueCanonical": extension}]
    parts = [{"name": "valueSet", "resource": sent}, *({"name": key} | one for key, one in given.items())]
    asked = Invocation(body=encode({"resourceType": "Parameters", "parameter": parts}), type="ValueSet")
    return decode(serve(url, lambda server: run(name, server, SYSTEM, asked)))


@pytest.mark.spec("FHIR R4 codesystem-definitions.html#CodeSystem.supplements")
def test_lookup_with_a_supplement(database_url: str) -> None:
    """Its names and properties are told beside the code system's own, its displays in its language; unasked, none."""
    plain = lookup(database_url, f"system={COLOURS}&code=red&displayLanguage=it")
    assert (value(plain, "display"), properties(plain)) == ("Red", {})
    told = lookup(database_url, f"system={COLOURS}&code=red&displayLanguage=it&{NEEDED}")
    assert (value(told, "display"), properties(told)) == ("Rosso", {"mood": ["angry"]})
    names = [{"parameter": part["part"]} for part in told["parameter"] if part["name"] == "designation"]
    assert [(value(one, "language"), value(one, "value")) for one in names] == [("it", "Rosso"), ("it-CH", "Rosso!")]
    assert properties(lookup(database_url, f"system={COLOURS}&code=blue&{NEEDED}")) == {}
    with pytest.raises(HealixError, match="'nowhere' is not in"):
        lookup(database_url, f"system={COLOURS}&code=nowhere&{NEEDED}")


@pytest.mark.spec("FHIR R4 codesystem-example-supplement.html")
def test_the_example_of_the_standard(database_url: str) -> None:
    """R4's example adds the property `legacy` to three codes."""
    told = lookup(database_url, f"system={HL7}&code=chol&property=legacy&useSupplement={HL7}-supplement|4.0.1")
    assert properties(told) == {"legacy": [True]}


@pytest.mark.parametrize(
    ("elements", "query", "why"),
    [
        ({}, "useSupplement=urn:nowhere", "is not known"),
        ({}, f"useSupplement={COLOURS}", "is no supplement: its content is complete"),
        ({"supplements": "urn:other"}, NEEDED, "supplements urn:other, which is not among"),
        ({"supplements": f"{COLOURS}|2"}, NEEDED, r"supplements .*\|2; the version that is asked for is '1.2'"),
        ({"supplements": f"{COLOURS}|1"}, NEEDED, None),
    ],
)
def test_wrong_supplements(pool: Pool, database_url: str, elements: Json, query: str, why: str | None) -> None:
    """What is unknown, no supplement, or one of another code system or version is refused with what is wrong."""
    put(pool, supplement(**elements), "s")
    if why is None:
        assert properties(lookup(database_url, f"system={COLOURS}&code=red&{query}")) == {"mood": ["angry"]}
        return
    with pytest.raises(HealixError, match=why) as refused:
        lookup(database_url, f"system={COLOURS}&code=red&{query}")
    assert refused.value.category is Category.INVALID
    named: Json = {"useSupplement": {"valueCanonical": query.partition("=")[2]}}
    with pytest.raises(HealixError, match=why):
        on_value_set(database_url, "expand", {}, **named)
    with pytest.raises(HealixError, match=why):
        on_value_set(database_url, "validate-code", {}, query.partition("=")[2], code={"valueCode": "red"})


def test_a_supplement_is_no_code_system(database_url: str) -> None:
    """Who looks up its own url is told whose supplement it is; a grammar has none."""
    with pytest.raises(HealixError, match=f"is a supplement of {COLOURS}") as refused:
        lookup(database_url, f"system={SUPPLEMENT}&code=red")
    assert refused.value.category is Category.NOT_FOUND
    with pytest.raises(HealixError, match="is not among"):
        lookup(database_url, f"system=http://unitsofmeasure.org&code=mg&{NEEDED}")


@pytest.mark.spec("FHIR R4 valueset-operation-expand.html")
@pytest.mark.parametrize("asked", ["call", "value set"])
def test_expansions_with_a_supplement(database_url: str, asked: str) -> None:
    """Displays and designations come from it, and the expansion names it; whether the call or the value set does."""
    given: Json = {"includeDesignations": {"valueBoolean": True}, "displayLanguage": {"valueCode": "it"}}
    if asked == "call":
        given["useSupplement"] = {"valueCanonical": SUPPLEMENT}
    extension = SUPPLEMENT if asked == "value set" else ""
    expansion = on_value_set(database_url, "expand", {}, extension, **given)["expansion"]
    red, blue = expansion["contains"]
    assert (red["display"], blue["display"]) == ("Rosso", "Blue")
    assert red["designation"] == [{"language": "it", "value": "Rosso"}, {"language": "it-CH", "value": "Rosso!"}]
    assert {"name": "used-supplement", "valueUri": SUPPLEMENT} in expansion["parameter"]


def test_members_by_what_a_supplement_says(database_url: str) -> None:
    """A filter on a property that only the supplement has selects by it, also where one code is judged."""
    angry = {"filter": [{"property": "mood", "op": "=", "value": "angry"}]}
    found = on_value_set(database_url, "expand", angry, SUPPLEMENT)
    assert [one["code"] for one in found["expansion"]["contains"]] == ["red"]
    assert "contains" not in on_value_set(database_url, "expand", angry)["expansion"]
    for code, member in (("red", True), ("blue", False)):
        asked = {"code": {"valueCode": code}, "system": {"valueUri": COLOURS}}
        assert value(on_value_set(database_url, "validate-code", angry, SUPPLEMENT, **asked), "result") is member


def test_supplements_that_are_not_for_the_caller(pool: Pool, database_url: str) -> None:
    """One that is written over FHIR exists for those who may read CodeSystems."""
    app = of_patient(pool, "p", "patient/ValueSet.r")
    sent = {"resourceType": "ValueSet", "status": "draft", "compose": {"include": [{"system": HL7}]}}
    parts = [{"name": "valueSet", "resource": sent}, {"name": "useSupplement", "valueCanonical": SUPPLEMENT}]
    asked = Invocation(body=encode({"resourceType": "Parameters", "parameter": parts}), type="ValueSet")
    with pytest.raises(HealixError, match="is not known"):
        serve(database_url, lambda server: run("expand", server, app, asked))
