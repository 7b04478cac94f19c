"""$expand: which value set, which of its members, in which words, in pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import pytest

from healix_fhir.kernel.database import one
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.expand import MOST
from healix_fhir.operation.invocation import Invocation
from healix_fhir.terminology.catalog import LOADED
from healix_fhir.terminology.fill import Origin, fill
from healix_fhir.terminology.resource import contents
from healix_fhir.terminology.rows import placed
from tests.support.fhir_server import SYSTEM, Pool, do, put, rows, serve, with_scope
from tests.support.operation import run

Json = dict[str, Any]
COLOURS = "http://example.org/colours"
SET = "http://example.org/some"
GENDERS = "http://hl7.org/fhir/ValueSet/administrative-gender"


def colours(**elements: Any) -> Json:
    """A CodeSystem: red above crimson, which is not used any more; a group that cannot be chosen."""
    crimson = {
        "code": "crimson", "display": "Crimson", "property": [{"code": "inactive", "valueBoolean": True}],
    }  # fmt: skip
    use = {"system": "http://example.org/use", "code": "poem"}
    names = [
        {"language": "de-AT", "value": "Rot"},
        {"language": "fr", "value": "Rouge", "use": use},
    ]
    return {
        "resourceType": "CodeSystem", "url": COLOURS, "version": "1.1", "status": "active", "content": "complete",
        "caseSensitive": True, "valueSet": f"{COLOURS}/all",
        "concept": [
            {"code": "warm", "display": "Warm ones", "property": [{"code": "notSelectable", "valueBoolean": True}],
             "concept": [{"code": "red", "display": "Red", "designation": names, "concept": [crimson]}]},
            {"code": "blue", "display": "Blue"},
        ],
    } | elements  # fmt: skip


def value_set(*include: Json, **elements: Any) -> Json:
    """A ValueSet."""
    return {
        "resourceType": "ValueSet", "url": SET, "status": "draft", "compose": {"include": list(include)},
    } | elements  # fmt: skip


def expand(url: str, query: str = "", body: Json | None = None, **call: Any) -> Json:
    """What the operation answers."""
    access = call.pop("access", SYSTEM)
    sent = encode(body) if body is not None else b""
    asked = Invocation(tuple(parse_qsl(query)), sent, call.pop("type", "ValueSet"), call.pop("id", None))
    return decode(serve(url, lambda server: run("expand", server, access, asked)))


def codes(found: Mapping[str, Any]) -> list[str]:
    """The codes of an expansion in order."""
    return [one["code"] for one in found["expansion"].get("contains", ())]


def refused(url: str, query: str, body: Json | None = None, **call: Any) -> HealixError:
    """The refusal of a call."""
    with pytest.raises(HealixError) as caught:
        expand(url, query, body, **call)
    return caught.value


@pytest.mark.spec("FHIR R4 valueset-operation-expand.html")
def test_a_value_set_of_the_definitions(database_url: str, pool: Pool) -> None:
    """R4's own are there; the answer says what it is an expansion of, when it was made, and of which code systems."""
    found = expand(database_url, f"url={GENDERS}")
    assert (found["resourceType"], found["url"], found["status"]) == ("ValueSet", GENDERS, "active")
    assert codes(found) == ["male", "female", "other", "unknown"]
    expansion = found["expansion"]
    assert (expansion["total"], "offset" in expansion) == (4, False)  # it is of pages
    assert expansion["identifier"].startswith("urn:uuid:")
    used = {"name": "version", "valueUri": "http://hl7.org/fhir/administrative-gender|4.0.1"}
    assert expansion["parameter"] == [used]
    assert expansion["contains"][0] == {
        "system": "http://hl7.org/fhir/administrative-gender", "version": "4.0.1", "code": "male", "display": "Male",
    }  # fmt: skip
    assert "compose" not in found
    assert rows(pool, "SELECT subtype, entity FROM audit_event") == [("$expand", GENDERS)]


@pytest.mark.spec("FHIR R4 valueset-operation-expand.html")
@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", ["warm", "red", "crimson", "blue"]),
        ("filter=cri", ["crimson"]),
        ("filter=WARM on", ["warm"]),
        ("filter=rouge", ["red"]),
        ("filter=nothing", []),
        ("activeOnly=true", ["warm", "red", "blue"]),
        ("excludeNotForUI=true", ["red", "crimson", "blue"]),
        ("activeOnly=true&excludeNotForUI=true&filter=r", ["red"]),
        ("count=2", ["warm", "red"]),
        ("count=2&offset=1", ["red", "crimson"]),
        ("count=2&offset=4", []),
        ("count=0", []),
        ("offset=3", ["blue"]),
        ("excludeNested=true", ["warm", "red", "crimson", "blue"]),
        ("excludePostCoordinated=true", ["warm", "red", "crimson", "blue"]),
        (f"exclude-system={COLOURS}", []),
        ("date=2999-01-01T00:00:00Z", None),
        ("date=2001", None),
        ("count=-1", None),
        ("count=9999", None),
        ("contextDirection=incoming", None),
        ("designation=|", None),
    ],
)
def test_what_a_call_may_ask_for(database_url: str, pool: Pool, query: str, wanted: list[str] | None) -> None:
    """Each parameter has its effect on members or page, or is refused by name."""
    put(pool, colours(), "c")
    put(pool, value_set({"system": COLOURS}), "v")
    query = f"url={SET}&{query}"
    if wanted is None:
        assert refused(database_url, query).category is Category.INVALID
    else:
        found = expand(database_url, query)
        assert codes(found) == wanted
        if "count" in query:
            assert found["expansion"]["total"] == 4


@pytest.mark.spec("FHIR R4 valueset-operation-expand.html#notes")
@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("", 5),
        ("activeOnly=true", 4),
        ("filter=c&activeOnly=true", 4),
        ("filter=c", None),
        ("filter=c&offset=4", 5),
        ("filter=c4", 1),
        ("filter=none", 0),
    ],
)
def test_a_total_that_is_dear(
    database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch, query: str, total: int | None
) -> None:
    """Members that must be read to be counted are counted up to some beyond the page; then no total is told."""
    monkeypatch.setattr("healix_fhir.operation.expand.BEYOND", 4)
    gone = [{"code": "inactive", "valueBoolean": True}]
    listed = [{"code": f"c{n}", **({"property": gone} if n == 2 else {})} for n in range(5)]
    put(pool, colours(concept=listed), "c")
    put(pool, value_set({"system": COLOURS}), "v")
    found = expand(database_url, f"url={SET}&count=1&{query}")
    assert found["expansion"].get("total") == total
    assert len(codes(found)) == (1 if total != 0 else 0)


@pytest.mark.spec("FHIR R4 valueset-operation-expand.html")
@pytest.mark.parametrize(
    ("query", "display", "values"),
    [
        ("", "Red", None),
        ("displayLanguage=de", "Rot", None),
        ("displayLanguage=nl", "Red", None),
        ("includeDesignations=true", "Red", ["Rot", "Rouge"]),
        ("designation=urn:ietf:bcp:47|de", "Red", ["Rot"]),
        ("designation=http://example.org/use|poem&displayLanguage=fr", "Rouge", ["Rouge"]),
        ("designation=http://example.org/use|prose", "Red", None),
    ],
)
def test_the_words_of_members(
    database_url: str, pool: Pool, query: str, display: str, values: list[str] | None
) -> None:
    """In a language where there is one, and with all designations or those of a use or language."""
    put(pool, colours(), "c")
    put(pool, value_set({"system": COLOURS, "concept": [{"code": "red"}]}), "v")
    (red,) = expand(database_url, f"url={SET}&{query}")["expansion"]["contains"]
    assert red["display"] == display
    assert [one["value"] for one in red.get("designation", ())] == (values or [])


def test_a_value_set_has_its_own_words(database_url: str, pool: Pool) -> None:
    """Displays and designations that it lists come before those of the code system, and its text is searched too."""
    put(pool, colours(), "c")
    own = {"code": "red", "display": "Vermilion", "designation": [{"language": "it", "value": "Rosso"}]}
    put(pool, value_set({"system": COLOURS, "concept": [own, {"code": "none", "display": "No such"}]}), "v")
    first, second = expand(database_url, f"url={SET}&includeDesignations=true")["expansion"]["contains"]
    assert (first["display"], [one["value"] for one in first["designation"]]) == (
        "Vermilion",
        ["Rosso", "Rot", "Rouge"],
    )
    assert (second["code"], second["display"]) == ("none", "No such")
    assert codes(expand(database_url, f"url={SET}&filter=verm")) == ["red"]
    assert codes(expand(database_url, f"url={SET}&filter=red")) == ["red"]
    assert codes(expand(database_url, f"url={SET}&filter=such no")) == ["none"]


@pytest.mark.spec("FHIR R4 valueset-operation-expand.html")
def test_the_ways_to_name_a_value_set(database_url: str, pool: Pool) -> None:
    """By id, by url with and without a version, as sent, by what an element is bound to; once, and it must be known."""
    put(pool, value_set({"system": GENDERS.replace("/ValueSet", "")}, version="3.1"), "v")
    genders = ["male", "female", "other", "unknown"]
    sent = value_set({"valueSet": [GENDERS]})
    body = {"resourceType": "Parameters", "parameter": [{"name": "valueSet", "resource": sent}]}
    assert codes(expand(database_url, id="v")) == genders
    assert codes(expand(database_url, body=body)) == genders
    assert codes(expand(database_url, body=sent)) == genders
    patient = "http://hl7.org/fhir/StructureDefinition/Patient"
    for query in (
        f"url={SET}",
        f"url={SET}&valueSetVersion=3.1",
        f"url={SET}|3",
        f"context={patient}%23Patient.gender",
        f"context={patient}%23gender&contextDirection=outgoing",
    ):
        assert codes(expand(database_url, query)) == genders
    for query in (
        "",
        f"url={SET}&context={patient}%23gender",
        "url=http://example.org/none",
        f"url={SET}&valueSetVersion=4",
        f"context={patient}",
        f"context={patient}%23name",
        "context=http://example.org/none%23name",
    ):
        assert refused(database_url, query).category is Category.INVALID, query
    assert refused(database_url, "", id="none").category is Category.NOT_FOUND


def test_implicit_value_sets(database_url: str, pool: Pool) -> None:
    """Of LOINC and SNOMED CT by their urls: those need the code systems; what is not one is refused by name."""
    assert "http://loinc.org is not known" in refused(database_url, "url=http://loinc.org/vs").message
    for url in ("http://snomed.info/sct?fhir_vs", "http://snomed.info/sct?fhir_vs=isa/138875005"):
        message = refused(database_url, f"url={url.replace('?', '%3F').replace('=', '%3D')}").message
        assert "http://snomed.info/sct is not " in message
    ecl = refused(database_url, "url=http://snomed.info/sct%3Ffhir_vs%3Decl/%3C1")
    assert ecl.category is Category.UNSUPPORTED


def test_versions_of_code_systems(database_url: str, pool: Pool) -> None:
    """A version that is named is used: by the value set, by default, by force; one that is checked must be it."""
    put(pool, colours(), "c")
    put(pool, colours(version="2.0", concept=[{"code": "green"}]), "d")
    put(pool, value_set({"system": COLOURS}), "v")
    old = f"{COLOURS}|1.1"
    assert codes(expand(database_url, f"url={SET}")) == ["green"]
    assert codes(expand(database_url, f"url={SET}&system-version={old}&filter=blue")) == ["blue"]
    pinned = value_set({"system": COLOURS, "version": "2.0"})
    assert codes(expand(database_url, f"system-version={old}", pinned)) == ["green"]
    assert codes(expand(database_url, f"force-system-version={old}&filter=blue", pinned)) == ["blue"]
    assert codes(expand(database_url, f"check-system-version={COLOURS}|2", pinned)) == ["green"]
    assert refused(database_url, f"check-system-version={old}", pinned).category is Category.INVALID
    assert refused(database_url, f"system-version={COLOURS}", pinned).category is Category.INVALID
    missing = value_set({"system": COLOURS, "version": "7"})
    assert "not known" in refused(database_url, "", missing).message


def test_the_definition_stands_beside_where_it_is_wanted(database_url: str, pool: Pool) -> None:
    """The parameter includeDefinition keeps the composition."""
    sent = value_set({"system": GENDERS.replace("/ValueSet", "")})
    assert expand(database_url, "includeDefinition=true", sent)["compose"] == sent["compose"]
    assert "compose" not in expand(database_url, "includeDefinition=false", sent)


@pytest.mark.spec("FHIR R4 valueset.html#compositions")
def test_a_value_set_that_leads_back_to_itself(database_url: str, pool: Pool) -> None:
    """It is refused by the way it goes, whether directly or by others, included or excluded."""
    put(pool, value_set({"valueSet": [f"{SET}/b"]}), "a")
    put(pool, value_set({"system": COLOURS, "concept": [{"code": "x"}]}, url=f"{SET}/b"), "b")
    assert codes(expand(database_url, f"url={SET}")) == ["x"]
    exclude = {"include": [{"system": COLOURS, "concept": [{"code": "x"}]}], "exclude": [{"valueSet": [SET]}]}
    put(pool, value_set(url=f"{SET}/b", compose=exclude), "b")
    assert f"{SET} → {SET}/b → {SET}" in refused(database_url, f"url={SET}").message
    put(pool, value_set({"valueSet": [SET]}), "a")
    assert "leads back to itself" in refused(database_url, f"url={SET}").message


def test_doubling_value_sets_are_too_costly(database_url: str, pool: Pool) -> None:
    """Each of thirty names the next one twice: that is refused before it is a billion parts."""
    for n in range(30):
        following = (
            [{"valueSet": [f"{SET}/{n + 1}"]}] * 2 if n < 29 else [{"system": COLOURS, "concept": [{"code": "x"}]}]
        )
        put(pool, value_set(*following, url=f"{SET}/{n}"), f"v{n}")
    found = refused(database_url, f"url={SET}/0")
    assert (found.category, found.issues[0].code) == (Category.INVALID, "too-costly")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(.*a){20}", "(x|xx)*y"])
def test_patterns_end_soon(database_url: str, pool: Pool, pattern: str) -> None:
    """An expression that would take a backtracking matcher years is answered like any other."""
    put(pool, colours(concept=[{"code": "a" * 1000 + "!"}, {"code": "aaaa"}, {"code": "xxxy"}]), "c")
    sent = value_set({"system": COLOURS, "filter": [{"property": "code", "op": "regex", "value": pattern}]})
    expand(database_url, "", sent)


@pytest.mark.parametrize(
    "pattern", [r"(a)\1", "(?=a)b", "a{1000}", "((a{99}){99}){99}", r"\bx", "[[:alpha:]]", "(", "a" * 600]
)
def test_other_patterns_are_refused(database_url: str, pool: Pool, pattern: str) -> None:
    """By name, with their place in the value set."""
    put(pool, colours(), "c")
    sent = value_set({"system": COLOURS, "filter": [{"property": "code", "op": "regex", "value": pattern}]})
    found = refused(database_url, "", sent)
    assert (found.category, found.issues[0].code) == (Category.INVALID, "not-supported")
    assert found.issues[0].expression == ("ValueSet.compose.include[0].filter[0]",)


def test_a_large_expansion_is_asked_for_in_pages(database_url: str, pool: Pool) -> None:
    """Without count it is too costly; with count and offset every member is found."""
    put(pool, colours(concept=[{"code": f"c{n}"} for n in range(MOST + 3)]), "c")
    sent = value_set({"system": COLOURS})
    assert refused(database_url, "", sent).issues[0].code == "too-costly"
    found = expand(database_url, f"count=5&offset={MOST}", sent)
    assert (found["expansion"]["total"], codes(found)) == (MOST + 3, [f"c{n}" for n in range(MOST, MOST + 3)])
    assert len(codes(expand(database_url, "offset=3", sent))) == MOST


@pytest.mark.parametrize(
    "url", ["http://hl7.org/fhir/ValueSet/mimetypes", "http://hl7.org/fhir/ValueSet/all-languages"]
)
def test_grammars_are_not_listed(database_url: str, pool: Pool, url: str) -> None:
    """Value sets of all codes of a grammar are too costly, and a filter on a property that is not there is refused."""
    assert refused(database_url, f"url={url}").issues[0].code == "too-costly"


def test_who_may_not_read_value_sets(database_url: str, pool: Pool) -> None:
    """One that is hidden is answered like one that is not there, by url as by id; R4's own are for all who may read."""
    put(pool, value_set({"system": COLOURS, "concept": [{"code": "x"}]}), "v")
    some = with_scope("system/ValueSet.rs?status=retired")
    assert codes(expand(database_url, f"url={GENDERS}", access=some)) == ["male", "female", "other", "unknown"]
    hidden, missing = (refused(database_url, f"url={one}", access=some) for one in (SET, f"{SET}/none"))
    assert hidden.message == missing.message.removesuffix("/none is not known") + " is not known"
    hidden, missing = (refused(database_url, "", id=one, access=some) for one in ("v", "w"))
    assert (hidden.category, hidden.message[:-16]) == (missing.category, missing.message[:-16])
    calls: tuple[Json, ...] = ({"id": "v"}, {})
    for call in calls:
        outside = refused(
            database_url, "" if call else f"url={GENDERS}", access=with_scope("system/Patient.rs"), **call
        )
        assert outside.category is Category.FORBIDDEN


EXAMPLES = "http://hl7.org/fhir/ValueSet"


@pytest.mark.spec("FHIR R4 valueset.html#compositions")
@pytest.mark.parametrize(
    ("url", "total", "first"),
    [
        (f"{EXAMPLES}/example-extensional", 4, "14647-2"),
        (f"{EXAMPLES}/yesnodontknow", 3, None),
        (f"{EXAMPLES}/observation-status", 8, "registered"),
        ("http://terminology.hl7.org/ValueSet/v3-ActEncounterCode", 11, "AMB"),
        ("http://terminology.hl7.org/ValueSet/v3-ServiceDeliveryLocationRoleType", 127, None),
        (f"{EXAMPLES}/patient-contactrelationship", 11, "BP"),
        (f"{EXAMPLES}/example-filter", None, "the filter 'acme-plasma'"),
        (f"{EXAMPLES}/example-intensional", None, "the code system http://loinc.org is not known"),
    ],
)
def test_examples_of_the_definitions(
    database_url: str, pool: Pool, url: str, total: int | None, first: str | None
) -> None:
    """R4's own by lists, hierarchies, imports and exclusions; one that cannot be known is refused by name."""
    if total is None:
        assert str(first) in refused(database_url, f"url={url}").message
        return
    found = expand(database_url, f"url={url}&count=1")
    assert found["expansion"]["total"] == total
    assert first is None or codes(found) == [first]


def test_all_of_a_loaded_code_system(database_url: str, pool: Pool) -> None:
    """The value set of all concepts that a loaded code system names is there without a resource."""
    url = f"{COLOURS}/all"
    assert "is not known" in refused(database_url, f"url={url}").message
    do(pool, lambda: one(fill(placed(contents(colours())), Origin(LOADED, "x"))))
    found = expand(database_url, f"url={url}")
    assert (found["url"], codes(found)) == (url, ["warm", "red", "crimson", "blue"])


def tree(entries: list[Json]) -> list[Any]:
    """The codes of an expansion, each with those that it contains."""
    return [(one["code"], tree(one["contains"])) if "contains" in one else one["code"] for one in entries]


@pytest.mark.spec("FHIR R4 valueset-definitions.html#ValueSet.expansion.contains.contains")
@pytest.mark.parametrize(
    ("include", "query", "wanted"),
    [
        ({}, "", [("warm", [("red", ["crimson"])]), "blue"]),
        ({}, "activeOnly=true", [("warm", ["red"]), "blue"]),
        ({}, "excludeNotForUI=true", [("red", ["crimson"]), "blue"]),
        ({}, "filter=crim", ["crimson"]),
        ({"filter": [{"property": "concept", "op": "is-a", "value": "red"}]}, "", [("red", ["crimson"])]),
        ({"filter": [{"property": "concept", "op": "in", "value": "warm,crimson"}]}, "", [("warm", ["crimson"])]),
        ({"concept": [{"code": "crimson"}, {"code": "warm"}, {"code": "red"}]}, "", ["crimson", "warm", "red"]),
    ],
)
def test_nested(database_url: str, pool: Pool, include: Json, query: str, wanted: list[Any]) -> None:
    """Asked for by excludeNested=false, a member stands below the next one above it; listed codes stay in order."""
    put(pool, colours(), "c")
    put(pool, value_set({"system": COLOURS} | include), "v")
    found = expand(database_url, f"url={SET}&excludeNested=false&{query}")["expansion"]
    assert tree(found["contains"]) == wanted
    assert {"name": "excludeNested", "valueBoolean": False} in found["parameter"]
    assert "offset" not in found
    flat = expand(database_url, f"url={SET}&{query}")["expansion"]
    assert found["total"] == flat["total"] == len(flat["contains"])
    page = expand(database_url, f"url={SET}&excludeNested=false&count=9&{query}")["expansion"]
    assert page["contains"] == flat["contains"]
    assert {"name": "excludeNested", "valueBoolean": True} in page["parameter"]
    assert page["offset"] == 0


def test_nested_below_several(database_url: str, pool: Pool) -> None:
    """What stands below two concepts is told once."""
    both = {"code": "both", "property": [{"code": "parent", "valueCode": "b"}]}
    put(pool, colours(concept=[{"code": "a", "concept": [both]}, {"code": "b", "concept": [{"code": "c"}]}]), "c")
    put(pool, value_set({"system": COLOURS}), "v")
    found = expand(database_url, f"url={SET}&excludeNested=false")["expansion"]
    assert tree(found["contains"]) == [("a", ["both"]), ("b", ["c"])]
    assert found["total"] == 4


def test_nested_no_deeper_than_is_read(database_url: str, pool: Pool) -> None:
    """Of a hierarchy that is deeper than JSON is read, the deepest stand beside each other."""
    below = [{"code": f"c{n}", "property": [{"code": "parent", "valueCode": f"c{n - 1}"}]} for n in range(1, 40)]
    put(pool, colours(concept=[{"code": "c0"}, *below]), "c")
    put(pool, value_set({"system": COLOURS}), "v")
    found = expand(database_url, f"url={SET}&excludeNested=false")["expansion"]
    entries, depth = found["contains"], 1
    while "contains" in entries[0]:
        entries, depth = entries[0]["contains"], depth + 1
    assert (depth, len(entries), found["total"]) == (25, 16, 40)


@pytest.mark.spec("FHIR R4 valueset-operation-expand.html")
def test_a_hierarchy_of_the_standard(database_url: str) -> None:
    """R4's issue types, a hierarchy, are nested as its code system lists them."""
    issues = "http://hl7.org/fhir/ValueSet/issue-type"
    found = expand(database_url, f"url={issues}&excludeNested=false")["expansion"]["contains"]
    (invalid, _, (_, processing), _, informational) = tree(found)
    assert invalid == ("invalid", ["structure", "required", "value", "invariant"])
    assert processing[:5] == ["not-supported", "duplicate", "multiple-matches", ("not-found", ["deleted"]), "too-long"]
    assert informational == "informational"
