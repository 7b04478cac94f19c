"""Parameters that are unions of others."""

from __future__ import annotations

from healix_fhir.model.definitions import search_parameters
from healix_fhir.search.nodes import Node, Not, Or
from healix_fhir.search.query import parse
from healix_fhir.search.unions import is_union, parts


def test_the_combinations_of_an_observation_are_unions() -> None:
    """Each `combo-` parameter is what the two parameters of the same name say of the resource and its components."""
    combined = {one.code for one in search_parameters("Observation").values() if is_union("Observation", one)}
    assert combined == {code for code in search_parameters("Observation") if code.startswith("combo-")}
    for code in combined:
        single = code.removeprefix("combo-")
        assert {part.code for part in parts("Observation", code)} == {single, f"component-{single}"}


def test_a_union_is_searched_as_its_parts_are() -> None:
    """One of the parts matches; with :not none of them does."""
    of_code, of_component = (only(f"{code}=x") for code in ("code", "component-code"))
    assert only("combo-code=x") == Or((of_code, of_component))
    assert only("combo-code:not=x") == Not(Or((of_code, of_component)))


def only(text: str) -> Node:
    """The one condition of a search."""
    name, _, value = text.partition("=")
    (node,) = parse("Observation", [(name, value)]).where
    return node
