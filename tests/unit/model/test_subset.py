"""Parts of resources."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.definitions import TYPES
from healix_fhir.model.elements import elements
from healix_fhir.model.json import decode, encode
from healix_fhir.model.subset import SUBSETTED, Subset, add, check, is_subsetted, read_subset
from healix_fhir.model.validate import validate
from tests.support.resources import observation, patient


def part(resource: dict[str, Any], text: str, *, included: bool = False) -> dict[str, Any]:
    """What the parameters in `text` leave of a resource, without its tag, which it must have."""
    params = [tuple(one.split("=", 1)) for one in text.split("&")]
    subset = read_subset(params, (resource["resourceType"],))  # type: ignore[arg-type]
    assert subset is not None
    found = decode(subset.apply(encode(resource), included=included))
    assert validate(found, resource["resourceType"]) == ()
    tags = found["meta"].pop("tag")
    assert tags.pop() == SUBSETTED
    return found | ({"tag": tags} if tags else {})


@pytest.mark.spec("FHIR R4 search.html#summary")
def test_the_summary_holds_the_elements_that_the_definitions_mark() -> None:
    """_summary=true keeps what is marked, at every level, and nothing else but what must be there."""
    whole = observation(
        id="o",
        meta={"versionId": "1"},
        text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
        note=[{"text": "not marked"}],
        _issued={"id": "beside"},
        component=[{"code": {"text": "a"}, "valueString": "b", "interpretation": [{"text": "not marked"}]}],
    )
    kept = part(whole, "_summary=true")
    assert whole.keys() - kept.keys() == {"text", "category", "note"}
    assert kept["component"] == [{"code": {"text": "a"}, "valueString": "b"}]
    assert kept["valueQuantity"] == whole["valueQuantity"]
    assert kept["_issued"] == {"id": "beside"}


@pytest.mark.spec("FHIR R4 search.html#summary")
def test_the_summary_leaves_the_bytes_of_an_attachment_out() -> None:
    """What is large and not marked does not come, but an element is never left empty."""
    attachment = {"contentType": "application/pdf", "data": "AAAA", "extension": [{"url": "u:a", "valueCode": "c"}]}
    whole = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": attachment}, {"attachment": {"data": "AAAA"}}],
    }
    assert part(whole, "_summary=true")["content"] == [
        {"attachment": {"contentType": "application/pdf", "extension": attachment["extension"]}},
        {"attachment": {"data": "AAAA"}},
    ]


@pytest.mark.spec("FHIR R4 search.html#summary")
def test_text_and_data_are_the_narrative_and_the_rest() -> None:
    """_summary=text keeps narrative, id, meta and what must be there; data all but the narrative."""
    whole = patient(id="p", meta={"versionId": "1"})
    assert part(whole, "_summary=text") == {key: whole[key] for key in ("resourceType", "id", "meta", "text")}
    assert part(whole, "_summary=data") == {key: value for key, value in whole.items() if key != "text"}
    assert part(observation(), "_summary=text").keys() == {"resourceType", "meta", "status", "code"}


@pytest.mark.spec("FHIR R4 search.html#elements")
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("_elements=gender", {"gender"}),
        ("_elements=id,resourceType,gender", {"gender"}),
        ("_elements=gender,birthDate", {"gender", "birthDate", "_birthDate"}),
        ("_elements=gender&_elements=Patient.birthDate", {"gender", "birthDate", "_birthDate"}),
        ("_elements=deceased", {"deceasedBoolean"}),
        ("_elements=deceased[x]", {"deceasedBoolean"}),
        ("_elements=deceasedBoolean", {"deceasedBoolean"}),
        ("_elements=id", set()),
        ("_elements=text,_summary", None),
        ("_elements=Patient.gender", {"gender"}),
    ],
)
def test_elements_are_those_that_are_named(text: str, kept: set[str] | None) -> None:
    """Named elements with their extensions come, and those that must be there or change the meaning of others."""
    whole = patient(id="p", deceasedBoolean=False, _birthDate={"id": "b"}, meta={"tag": [{"code": "a"}]})
    if kept is None:
        with pytest.raises(HealixError):
            part(whole, text)
    else:
        modifiers = {"active", "deceasedBoolean"}
        assert part(whole, text).keys() == {"resourceType", "id", "meta", "tag"} | kept | modifiers


@pytest.mark.spec("FHIR R4 search.html#elements")
def test_elements_without_a_type_are_not_those_of_included_resources() -> None:
    """Included resources come whole unless elements of their type are named."""
    whole = encode(patient(id="p"))
    assert Subset(elements=(("", "gender"),)).apply(whole, included=True) == whole
    assert "name" not in part(patient(id="p"), "_elements=Patient.gender", included=True)


def test_mandatory_elements_are_never_left_out() -> None:
    """Whatever is asked for, the part of a valid resource is valid."""
    for text in ("_summary=true", "_summary=text", "_summary=data", "_elements=id"):
        part(observation(), text)


def test_a_tagged_resource_is_not_tagged_twice() -> None:
    """The tag stands once, behind those that the resource has."""
    whole = patient(meta={"tag": [{"code": "a"}, SUBSETTED]})
    assert is_subsetted(whole)
    assert decode(Subset("data").apply(encode(whole)))["meta"]["tag"] == [{"code": "a"}, SUBSETTED]


@pytest.mark.spec("FHIR R4 search.html#summary", "FHIR R4 search.html#elements")
@pytest.mark.parametrize(
    ("text", "part_of_message"),
    [
        ("_summary=all", "_summary must be"),
        ("_summary=", "_summary must be"),
        ("_summary=true&_summary=text", "two values"),
        ("_summary=true&_elements=id", "exclude each other"),
        ("_elements=nothing", "Patient has no element 'nothing'"),
        ("_elements=", "no element ''"),
        ("_elements=name,", "no element ''"),
        ("_elements=name.family", "no element at the top"),
        ("_elements=Nobody.name", "no element at the top"),
        ("_elements=Observation.name", "Observation has no element 'name'"),
    ],
)
def test_what_cannot_be_had_is_refused(text: str, part_of_message: str) -> None:
    """A value that is none, an element that there is not and combinations that say two things are errors."""
    with pytest.raises(HealixError, match=part_of_message.replace("[", r"\[")) as refused:
        read_subset([tuple(one.split("=", 1)) for one in text.split("&")], ("Patient",))  # type: ignore[misc]
    assert refused.value.category is Category.INVALID


def test_the_same_value_twice_and_false_are_nothing_new() -> None:
    """_summary=false asks for the whole resource."""
    assert read_subset([("_summary", "false"), ("name", "x")], ("Patient",)) is None
    assert add(Subset("text"), "_summary", "text") == Subset("text")


@pytest.mark.spec("FHIR R4 search.html#summary")
def test_text_cannot_be_mixed_with_includes() -> None:
    """The specification forbids _summary=text with _include and _revinclude."""
    check(Subset("true"), ("Patient",), includes=True)
    with pytest.raises(HealixError, match="_summary=text cannot be combined with _include"):
        check(Subset("text"), ("Patient",), includes=True)


def test_every_type_has_a_table() -> None:
    """An element of any type can be asked for."""
    for type_name in TYPES:
        check(Subset(elements=tuple(("", name) for name in elements(type_name))), (type_name,))
