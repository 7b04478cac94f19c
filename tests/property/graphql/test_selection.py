"""Random selections of random resources answer what a naive cut of the JSON does."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import PRIMITIVES
from healix_fhir.model.fhirpath.evaluate.node import every_property
from healix_fhir.operation.graphql.document import document
from healix_fhir.operation.graphql.output import Record, Size
from healix_fhir.operation.graphql.request import Asked
from healix_fhir.operation.graphql.selection import Compiler
from healix_fhir.operation.graphql.walk import Walk

Json = dict[str, Any]
SCALARS: dict[str, Any] = {"boolean": True, "integer": 3, "positiveInt": 2, "unsignedInt": 1, "decimal": 4}
TYPES = ("Patient", "Observation", "CarePlan", "Bundle", "Questionnaire", "Timing", "MedicationRequest")


@st.composite
def values(draw: st.DrawFn, structure: str, depth: int = 4) -> Json:
    """An object of a structure: it has the shape that R4 gives it, its texts mean nothing."""
    table = every_property(structure)
    made: Json = {"resourceType": structure} if structure in TYPE_ID else {}
    for key in draw(st.lists(st.sampled_from(sorted(table)), max_size=6, unique=True)):
        one = table[key]
        partner = f"_{key}" if key == one.key else one.key
        if one.structure == "Resource" or partner in made:  # arrays of both would have to be as long as each other
            continue
        inner = "Element" if key != one.key else one.structure
        if inner in PRIMITIVES:
            single: st.SearchStrategy[Any] = st.just(SCALARS.get(one.type, "x"))
        elif depth == 0:
            continue
        else:
            single = values(inner, depth - 1)
        if key != one.key:
            made[key] = [draw(single)] if one.repeats else draw(single)
        else:
            made[key] = draw(st.lists(single, min_size=1, max_size=3)) if one.repeats else draw(single)
    return made


@st.composite
def selections(draw: st.DrawFn, value: Json) -> str:
    """A random selection of what an object has."""
    texts = []
    for key in draw(st.lists(st.sampled_from(sorted(value)), max_size=4, unique=True)) if value else []:
        parts = value[key] if isinstance(value[key], list) else [value[key]]
        if isinstance(parts[0], dict):
            texts.append(f"{key} {draw(selections({name: one for part in parts for name, one in part.items()}))}")
        else:
            texts.append(key)
    return f"{{ {' '.join(texts or ['__typename'])} }}"


def _keys(text: str) -> Json:
    """The names of a selection, with those in each."""
    words = text.replace("{", " { ").replace("}", " } ").split()
    root: Json = {}
    stack, last = [root], ""
    for word in words[1:-1]:
        if word == "{":
            stack.append(stack[-1][last])
        elif word == "}":
            stack.pop()
        else:
            last = word
            stack[-1][word] = {}
    return root


def _cut(value: Any, keys: Json) -> Any:
    """The naive oracle: what has a name is kept, in all of a list."""
    if isinstance(value, list):
        return [_cut(one, keys) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: _cut(value[key], inner) for key, inner in keys.items() if key in value and key != "__typename"}


@given(data=st.data(), structure=st.sampled_from([one for one in TYPES if one in TYPE_ID]))
def test_a_selection_is_a_cut_of_the_json(data: st.DataObject, structure: str) -> None:
    """Whatever is selected is what the JSON holds under those names, no more and no less."""
    resource = data.draw(values(structure))
    text = data.draw(selections(resource))
    found = document(Asked(text))
    walk, record = Walk(Compiler(found), ()), Record(Size())
    walk.of_root(record, resource, found.operation.selection_set)
    assert _without(record.finished()) == _cut(resource, _keys(text))


def _without(value: Any) -> Any:
    """An answer without the names of types."""
    if isinstance(value, list):
        return [_without(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: _without(one) for key, one in value.items() if key != "__typename"}
