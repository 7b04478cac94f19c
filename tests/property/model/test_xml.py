"""XML and JSON of the same resource, on resources made from the element tables."""

from __future__ import annotations

import json as stdlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healix_fhir.model import json
from healix_fhir.model.definitions import TYPES
from healix_fhir.model.elements import PRIMITIVES, Child, Element, elements, json_properties
from healix_fhir.model.xml.decode import decode
from healix_fhir.model.xml.encode import encode

DEEPEST = 4
TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=6
)
STRINGS = TEXT | st.sampled_from([" ", "a b", "<&>", '"', "a\tb\nc\rd", "'", "]]>", "\u2028"])
DECIMALS = st.sampled_from(["0", "-1", "1.50", "1e5", "1E-10", "0.0000000", "-0.0", "12345678901234567890.123"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "decimal": DECIMALS.map(json.number),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "positiveInt": st.integers(1, 2**31 - 1),
    "unsignedInt": st.integers(0, 2**31 - 1),
    "xhtml": st.sampled_from(["x", "<br/>", "<b>a</b> &amp; \r\n é<!-- c -->", "a />"]).map(
        lambda inner: f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>'
    ),
}


@st.composite
def resources(draw: st.DrawFn, depth: int = 0) -> dict[str, Any]:
    """A resource of any type with some of its elements."""
    type_name = draw(st.sampled_from(TYPES))
    return {"resourceType": type_name} | draw(_object(type_name, depth, least=0))


@st.composite
def _object(draw: st.DrawFn, structure: str, depth: int, least: int = 1) -> dict[str, Any]:
    usable = [element for element in elements(structure).values() if element.max != 0 and _is_leaf(element, depth)]
    chosen = draw(st.lists(st.sampled_from(usable), min_size=least, max_size=4, unique_by=lambda e: e.name))
    made: dict[str, Any] = {}
    for element in chosen:
        child = draw(st.sampled_from([child for child in json_properties(element) if _fits(child, depth)]))
        made |= draw(_property(structure, element, child, depth))
    return made


def _fits(child: Child, depth: int) -> bool:
    return depth < DEEPEST or child.structure in PRIMITIVES


def _is_leaf(element: Element, depth: int) -> bool:
    return any(_fits(child, depth) for child in json_properties(element))


@st.composite
def _property(draw: st.DrawFn, structure: str, element: Element, child: Child, depth: int) -> dict[str, Any]:
    if child.structure not in PRIMITIVES:
        one = resources(depth + 1) if child.structure == "Resource" else _object(child.structure, depth + 1)
        return {child.key: draw(st.lists(one, min_size=1, max_size=2) if child.repeats else one)}
    value = VALUES.get(child.structure, STRINGS)
    bare = element.name == "id" or child.structure == "xhtml" or (structure, element.name) == ("Extension", "url")
    aside = (
        st.none() if bare or depth >= DEEPEST else st.none() | _object("Element", DEEPEST).filter(bool) | _extended()
    )
    if not child.repeats:
        return _pair(child.key, draw(value), draw(aside), draw(st.booleans()))
    pairs = draw(st.lists(st.tuples(value, aside, st.booleans()), min_size=1, max_size=3))
    singles = [_pair("v", *pair) for pair in pairs]
    made: dict[str, Any] = {}
    if any("v" in single for single in singles):
        made[child.key] = [single.get("v") for single in singles]
    if any("_v" in single for single in singles):
        made[f"_{child.key}"] = [single.get("_v") for single in singles]
    return made


def _extended() -> st.SearchStrategy[dict[str, Any]]:
    return STRINGS.map(lambda text: {"extension": [{"url": text, "valueString": text}]})


def _pair(key: str, value: Any, aside: dict[str, Any] | None, alone: bool) -> dict[str, Any]:
    """A primitive's value, what stands beside it, or both; never neither."""
    if aside is None:
        return {key: value}
    return {f"_{key}": aside} if alone and "extension" in aside else {key: value, f"_{key}": aside}


def exact(resource: dict[str, Any]) -> Any:
    """The resource with its numbers as they are written."""
    return stdlib.loads(json.encode(resource), parse_float=str, parse_int=str)


@pytest.mark.spec("FHIR R4 xml.html#root")
@given(resources(), st.booleans())
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
def test_a_resource_survives_the_way_through_xml(resource: dict[str, Any], pretty: bool) -> None:
    """JSON to XML and back loses no element, digit, character or place in an array, indented or not."""
    assert exact(decode(encode(resource, pretty=pretty))) == exact(resource)


@given(resources())
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
def test_xml_is_the_same_however_json_orders_its_keys(resource: dict[str, Any]) -> None:
    """The order of elements comes from the definitions alone."""
    assert encode(dict(reversed(resource.items()))) == encode(resource)
