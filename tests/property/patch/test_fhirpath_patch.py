"""Laws of FHIRPath Patch on lists, and hostile patches."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.patch.fhirpath_patch import apply
from tests.support.hostile_json import JSON
from tests.support.resources import Json, patient

GIVEN = st.lists(st.sampled_from(["Ada", "Augusta", "King", "Noel"]), min_size=1, max_size=6)


def part(name: str, key: str, value: Any) -> Json:
    """One part."""
    return {"name": name, key: value}


def patched(given_names: list[str], *operations: tuple[str, str, dict[str, Any]]) -> list[str]:
    """The given names after operations of a type, a path and further parts."""
    parameters: Json = {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    part("type", "valueCode", kind),
                    part("path", "valueString", path),
                    *(
                        part(name, "valueInteger" if type(value) is int else "valueString", value)
                        for name, value in rest.items()
                    ),
                ],
            }
            for kind, path, rest in operations
        ],
    }
    resource = {"resourceType": "Patient", "name": [{"given": given_names}]}
    before = copy.deepcopy(resource)
    names = apply(resource, parameters).get("name", [{}])
    assert resource == before
    return list(names[0].get("given", []))


@given(GIVEN, st.data())
def test_lists(names: list[str], data: st.DataObject) -> None:
    """Insert then delete is nothing, a move and the move back is nothing, an insert at the end is an add."""
    place = data.draw(st.integers(0, len(names)))
    path = "Patient.name[0].given"
    insert = ("insert", path, {"index": place, "value": "new"})
    assert patched(names, insert) == [*names[:place], "new", *names[place:]]
    assert patched(names, insert, ("delete", f"{path}[{place}]", {})) == names
    source, destination = (data.draw(st.integers(0, len(names) - 1)) for _ in range(2))
    moved = patched(names, ("move", path, {"source": source, "destination": destination}))
    assert moved[destination] == names[source]
    assert sorted(moved) == sorted(names)
    assert patched(moved, ("move", path, {"source": destination, "destination": source})) == names
    at_end = ("insert", path, {"index": len(names), "value": "new"})
    assert patched(names, at_end) == patched(names, ("add", "Patient.name[0]", {"name": "given", "value": "new"}))
    replaced = patched(names, ("replace", f"{path}[{source}]", {"value": "new"}))
    assert replaced == [*names[:source], "new", *names[source + 1 :]]


PARTS = st.fixed_dictionaries(
    {"name": st.sampled_from(["type", "path", "name", "value", "index", "source", "destination", "x"])},
    optional={
        "valueCode": st.sampled_from(["add", "insert", "delete", "replace", "move", "x"]),
        "valueString": st.sampled_from(
            ["Patient", "Patient.name", "name[0].given", "Patient.gender", "given", "name", "$this", "."]
        ),
        "valueInteger": st.integers(-1, 3),
        "valueHumanName": JSON,
        "part": JSON,
        "resource": JSON,
    },
)


@given(
    st.one_of(
        JSON, st.lists(st.fixed_dictionaries({"name": st.just("operation"), "part": st.lists(PARTS, max_size=5)}))
    )
)
def test_hostile_patches(operations: Any) -> None:
    """Any JSON is a patch or is refused, and the resource is what it was."""
    resource, before = patient(), patient()
    with suppress(HealixError):
        apply(resource, {"resourceType": "Parameters", "parameter": operations})
    assert resource == before


@given(st.dictionaries(st.sampled_from(["name", "_name", "gender", "_gender", "contact", "birthDate"]), JSON))
def test_hostile_resources(elements: dict[str, Any]) -> None:
    """A resource that is not valid is patched or the patch is refused."""
    for kind, path in (("delete", "name.first()"), ("add", "Patient"), ("replace", "gender"), ("move", "Patient.name")):
        rest = [part("name", "valueString", "gender"), part("value", "valueCode", "male")]
        rest += [part("source", "valueInteger", 0), part("destination", "valueInteger", 0)]
        wanted = {"delete": 0, "add": 2, "replace": 1}.get(kind, -1)
        chosen = rest[2:] if wanted < 0 else rest[1:2] if wanted == 1 else rest[:wanted]
        operation = {
            "name": "operation",
            "part": [part("type", "valueCode", kind), part("path", "valueString", path), *chosen],
        }
        with suppress(HealixError):
            apply({"resourceType": "Patient"} | elements, {"resourceType": "Parameters", "parameter": [operation]})
