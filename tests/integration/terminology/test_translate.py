"""$translate: which maps, which way, on which conditions, and the closest first."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.invocation import Invocation
from tests.support.fhir_server import SYSTEM, Pool, put, serve, with_scope
from tests.support.operation import run

Json = dict[str, Any]
MAP = "http://example.org/map"
A, B, C = (f"http://example.org/{name}" for name in "abc")


def target(code: str | None, equivalence: str, **elements: Any) -> Json:
    """A target of a mapping."""
    return ({"code": code} if code else {}) | {"equivalence": equivalence} | elements


def concept_map(*groups: Json, **elements: Any) -> Json:
    """A ConceptMap."""
    return {"resourceType": "ConceptMap", "url": MAP, "status": "active", "group": list(groups)} | elements


def group(source: str, other: str, unmapped: Json | None = None, /, **elements: list[Json]) -> Json:
    """Mappings by code."""
    listed = [{"code": code, "target": targets} for code, targets in elements.items()]
    return {"source": source, "target": other, "element": listed} | ({"unmapped": unmapped} if unmapped else {})


def translate(url: str, query: str, *parts: Json, **call: Any) -> tuple[bool, list[tuple[str, str | None]]]:
    """The result, and for each match its equivalence with the code."""
    answer = asked(url, query, *parts, **call)
    found = [part["part"] for part in answer["parameter"] if part["name"] == "match"]
    matches = [{one["name"]: one for one in match} for match in found]
    pairs = [
        (one["equivalence"]["valueCode"], one["concept"]["valueCoding"]["code"] if "concept" in one else None)
        for one in matches
    ]
    return answer["parameter"][0]["valueBoolean"], pairs


def asked(url: str, query: str, *parts: Json, **call: Any) -> Json:
    """The answer of a call."""
    body = encode({"resourceType": "Parameters", "parameter": list(parts)}) if parts else b""
    asked = Invocation(tuple(parse_qsl(query)), body, "ConceptMap", call.pop("id", None))
    return decode(serve(url, lambda server: run("translate", server, call.pop("access", SYSTEM), asked)))


@pytest.mark.spec("FHIR R4 conceptmap-operation-translate.html")
def test_a_map_of_the_definitions(database_url: str, pool: Pool) -> None:
    """R4's own are there; the match says which map it is from."""
    map_ = "http://hl7.org/fhir/ConceptMap/cm-address-use-v2"
    answer = asked(database_url, f"url={map_}&system=http://hl7.org/fhir/address-use&code=home")
    assert answer["parameter"] == [
        {"name": "result", "valueBoolean": True},
        {
            "name": "match",
            "part": [
                {"name": "equivalence", "valueCode": "equivalent"},
                {
                    "name": "concept",
                    "valueCoding": {"system": "http://terminology.hl7.org/CodeSystem/v2-0190", "code": "H"},
                },
                {"name": "source", "valueUri": map_},
            ],
        },
    ]


@pytest.mark.spec("FHIR R4 valueset-concept-map-equivalence.html")
def test_the_closest_first(database_url: str, pool: Pool) -> None:
    """In the order of how close they are, whatever the order of the map; what is no match is no result."""
    ways = ("disjoint", "inexact", "wider", "relatedto", "equal", "narrower", "equivalent", "specializes", "subsumes")
    targets = [target(way[:3], way) for way in ways] + [target(None, "unmatched")]
    put(pool, concept_map(group(A, B, x=targets, y=[target(None, "unmatched")])), "m")
    _, matches = translate(database_url, f"url={MAP}&system={A}&code=x")
    assert [way for way, _ in matches] == [
        "equal", "equivalent", "subsumes", "wider", "specializes", "narrower", "relatedto", "inexact", "unmatched",
        "disjoint",
    ]  # fmt: skip
    assert translate(database_url, f"url={MAP}&system={A}&code=y") == (False, [("unmatched", None)])
    assert translate(database_url, f"url={MAP}&system={A}&code=z") == (False, [])
    assert translate(database_url, f"url={MAP}&system={B}&code=x") == (False, [])


@pytest.mark.spec("FHIR R4 conceptmap-operation-translate.html")
@pytest.mark.parametrize(
    ("query", "matches"),
    [
        (f"url={MAP}&system={A}&code=x", [("equal", "1"), ("wider", "2")]),
        (f"url={MAP}&system={A}&code=x&targetsystem={B}", [("equal", "1")]),
        (f"url={MAP}&system={B}&code=1&reverse=true", [("equal", "x")]),
        (f"url={MAP}&system={C}&code=2&reverse=true", [("narrower", "x")]),
        (f"url={MAP}&system={C}&code=2&reverse=true&targetsystem={B}", []),
        (f"source={A}/vs&system={A}&code=x&targetsystem={B}", [("equal", "1")]),
        (f"source={B}/vs&system={A}&code=x&targetsystem={B}", []),
        (f"target={B}/vs&system={A}&code=x", [("equal", "1"), ("wider", "2")]),
        (f"url={MAP}&target={C}/vs&system={A}&code=x", []),
        (f"url={MAP}&conceptMapVersion=2&system={A}&code=x", [("equal", "1"), ("wider", "2")]),
        (f"url={MAP}&conceptMapVersion=3&system={A}&code=x", None),
        (f"url={MAP}&code=x", None),
        (f"url={MAP}&system={A}", None),
        (f"system={A}&code=x", None),
        (f"url={MAP}/none&system={A}&code=x", None),
    ],
)
def test_what_a_call_may_ask_for(
    database_url: str, pool: Pool, query: str, matches: list[tuple[str, str]] | None
) -> None:
    """A map by url and version, or all between value sets and systems; forwards and backwards."""
    one, other = group(A, B, x=[target("1", "equal")]), group(A, C, x=[target("2", "wider")])
    put(pool, concept_map(one, other, version="2.0", sourceUri=f"{A}/vs", targetUri=f"{B}/vs"), "m")
    if matches is None:
        with pytest.raises(HealixError) as caught:
            translate(database_url, query)
        assert caught.value.category is Category.INVALID
    else:
        assert translate(database_url, query) == (bool(matches), matches)


def test_the_ways_to_give_map_and_code(database_url: str, pool: Pool) -> None:
    """The map by its id or as sent; a coding, or a concept of several."""
    sent = concept_map(group(A, B, x=[target("1", "equal")], y=[target("1", "wider"), target("2", "equal")]))
    put(pool, sent, "m")
    x, y = ({"system": A, "code": code} for code in "xy")
    coding, concept = ({"name": "coding", "valueCoding": x}, {"name": "codeableConcept"})
    concept["valueCodeableConcept"] = {"coding": [y, x]}  # type: ignore[assignment]
    assert translate(database_url, f"system={A}&code=x", id="m") == (True, [("equal", "1")])
    assert translate(database_url, "", coding, {"name": "conceptMap", "resource": sent}) == (True, [("equal", "1")])
    assert translate(database_url, f"url={MAP}", concept) == (True, [("equal", "2"), ("equal", "1"), ("wider", "1")])
    with pytest.raises(HealixError, match="named once"):
        translate(database_url, f"url={MAP}&system={A}&code=x", id="m")


@pytest.mark.spec("FHIR R4 conceptmap.html#dependson")
def test_what_a_mapping_depends_on(database_url: str, pool: Pool) -> None:
    """It holds only where the call gives what it depends on; what it gives beside comes with the match."""
    needs = [{"property": f"{A}/kind", "system": C, "value": "k"}]
    gives = [{"property": f"{B}/side", "system": C, "value": "left", "display": "Left"}]
    put(pool, concept_map(group(A, B, x=[target("1", "equal", dependsOn=needs, product=gives)])), "m")

    def depending(system: str, code: str) -> Json:
        coding = {"coding": [{"system": system, "code": code}]}
        parts = [{"name": "element", "valueUri": f"{A}/kind"}, {"name": "concept", "valueCodeableConcept": coding}]
        return {"name": "dependency", "part": parts}

    query = f"url={MAP}&system={A}&code=x"
    assert translate(database_url, query) == (False, [])
    assert translate(database_url, query, depending(C, "other")) == (False, [])
    assert translate(database_url, query, depending(B, "k")) == (False, [])
    assert translate(database_url, query, depending(C, "k")) == (True, [("equal", "1")])
    match = asked(database_url, query, depending(C, "k"))["parameter"][1]["part"]
    coding = {"system": C, "code": "left", "display": "Left"}
    product = [{"name": "element", "valueUri": f"{B}/side"}, {"name": "concept", "valueCoding": coding}]
    assert match[2] == {"name": "product", "part": product}
    with pytest.raises(HealixError, match="an element and a concept"):
        translate(database_url, query, {"name": "dependency", "part": [{"name": "element", "valueUri": A}]})


@pytest.mark.spec("FHIR R4 conceptmap.html#unmapped")
def test_what_a_map_does_not_list(database_url: str, pool: Pool) -> None:
    """It is the same code, a fixed one, or for another map to say; maps that lead in a circle are refused."""
    listed = [target("1", "equal")]
    query = f"url={MAP}&system={A}&code=z"
    for unmapped, wanted in (
        ({"mode": "provided"}, ("equivalent", "z")),
        ({"mode": "fixed", "code": "f"}, ("relatedto", "f")),
        ({"mode": "other-map", "url": f"{MAP}/2"}, ("wider", "9")),
    ):
        put(pool, concept_map(group(A, B, unmapped, x=listed)), "m")
        put(pool, concept_map(group(A, B, z=[target("9", "wider")]), url=f"{MAP}/2"), "n")
        assert translate(database_url, query) == (True, [wanted])
        assert translate(database_url, f"url={MAP}&system={A}&code=x") == (True, [("equal", "1")])
    put(pool, concept_map(group(A, B, {"mode": "other-map", "url": MAP}, x=listed), url=f"{MAP}/2"), "n")
    with pytest.raises(HealixError, match="leads back to itself"):
        translate(database_url, query)


def test_hidden_maps_are_not_there(database_url: str, pool: Pool) -> None:
    """Who may see none of the written maps is answered as if there were none; without a scope for any, refused."""
    put(pool, concept_map(group(A, B, x=[target("1", "equal")]), sourceUri=A), "m")
    some = with_scope("system/ConceptMap.r?status=retired")
    assert translate(database_url, f"source={A}&system={A}&code=x", access=some) == (False, [])
    with pytest.raises(HealixError, match=r"map is not known"):
        translate(database_url, f"url={MAP}&system={A}&code=x", access=some)
    with pytest.raises(HealixError) as caught:
        translate(database_url, f"url={MAP}&system={A}&code=x", access=with_scope("system/Patient.r"))
    assert caught.value.category is Category.FORBIDDEN
