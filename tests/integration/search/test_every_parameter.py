"""Every search parameter of R4 finds a resource by a value that it has, and not one that has another value there."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

import pytest

from healix_fhir.kernel.database import open_pool
from healix_fhir.model.definitions import TYPES, Component, SearchParameter, standard_parameters
from healix_fhir.model.fhirpath.branch import Branch, link
from healix_fhir.model.fhirpath.path import compile_branches
from healix_fhir.search.composites import Shape, expression, shape
from tests.support.grown import Grower
from tests.support.resources import REPOSITORY
from tests.support.search import Clinic

TURNS = 12
EXCLUDED: Mapping[str, str] = tomllib.loads((REPOSITORY / "conformance" / "exclusions.toml").read_text())[
    "search-parameters"
]
Json = dict[str, Any]


def _coded(value: Json) -> str:
    return f"{value['system']}|{value['code']}"


def _amount(value: Json) -> str:
    return f"{value['value']}|{value['system']}|{value['code']}"


VALUES: Mapping[str, Mapping[str, Callable[[Any], str]]] = {
    "date": {
        **dict.fromkeys(("date", "dateTime", "instant"), str),
        "Period": lambda value: value["start"][:10],
        "Timing": lambda value: value["event"][0],
    },
    "number": dict.fromkeys(("decimal", "integer", "positiveInt", "unsignedInt"), str)
    | {"Range": lambda value: f"lt{value['high']['value']}"},
    "quantity": {
        **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), _amount),
        "Money": lambda value: f"{value['value']}|urn:iso:std:iso:4217|EUR",
        "Range": lambda value: f"lt{_amount(value['high'])}",
        "SampledData": lambda value: f"sa{value['origin']['value'] - 1}|{value['origin']['system']}|kg",
    },
    "reference": {
        "Reference": lambda value: value["reference"],
        **dict.fromkeys(("canonical", "uri", "url"), str),
        "Attachment": lambda value: value["url"],
        "Resource": lambda value: f"{value['resourceType']}/{value['id']}",
    },
    "special": {"Location.position": lambda value: f"{value['latitude']}|{value['longitude']}|1|km"},
    "string": {
        **dict.fromkeys(("string", "markdown", "code", "id"), str),
        "HumanName": lambda value: value["family"],
        "Address": lambda value: value["city"],
        "Annotation": lambda value: value["text"],
    },
    "token": {
        **dict.fromkeys(("code", "string", "id", "uri", "canonical", "url", "markdown"), str),
        "boolean": lambda value: "true" if value else "false",
        "CodeableConcept": lambda value: _coded(value["coding"][0]),
        "Coding": _coded,
        "ContactPoint": lambda value: value["value"],
        "Identifier": lambda value: f"{value['system']}|{value['value']}",
    },
    "uri": dict.fromkeys(("uri", "url", "canonical", "oid", "uuid"), str),
}
"""By type of parameter and of value: the search that a value meets."""


@pytest.fixture(scope="module")
def store(module_database_url: str) -> Iterator[Clinic]:
    """One store for the resources of all types."""
    with open_pool(module_database_url, size=1) as pool:
        yield Clinic(pool)


@pytest.mark.spec("FHIR R4 searchparameter-registry.html")
@pytest.mark.parametrize("type_name", [name for name in TYPES if name != "AuditEvent"])
def test_a_value_finds_the_resource_that_has_it(store: Clinic, type_name: str) -> None:
    """By each parameter of the type; what has another value in its place is not found."""
    resources = {one["id"]: one for one in _resources(type_name)}
    store.put(*resources.values())
    problems = [
        f"{code}: {problem}"
        for code, parameter in standard_parameters(type_name).items()
        if f"{type_name}.{code}" not in EXCLUDED and code not in EXCLUDED
        for problem in _problems(store, type_name, parameter, resources)
    ]
    assert problems == []


def _resources(type_name: str) -> Iterator[Json]:
    """Resources that have all values, as many as references need to point everywhere, and others that have others."""
    for seed in (0, 1):
        known: list[Json] = []
        for turn in range(TURNS):
            made = Grower(seed, turn).resource(type_name)
            plain = {name: value for name, value in made.items() if name != "id"}
            if plain not in known:
                known.append(plain)
                yield made


def _problems(
    store: Clinic, type_name: str, parameter: SearchParameter, resources: Mapping[str, Json]
) -> Iterator[str]:
    """What is wrong with what is found by each kind of value that the parameter takes."""
    asked = [
        (id_, kind, value)
        for id_, resource in resources.items()
        if _seed(id_) == 0
        for kind, value in _asked(type_name, parameter, resource)
    ]
    if not asked:
        yield "no resource has a value"
    tried: set[str] = set()
    for id_, kind, value in asked:
        if kind in tried:
            continue
        tried.add(kind)
        found = store.find(type_name, [(parameter.code, value)])
        if id_ not in found:
            yield f"{id_} is not found by '{value}', a {kind}"
        if others := [other for other in found if _seed(other)]:
            yield f"{others} are found by '{value}', a {kind}"


def _seed(id_: str) -> int:
    return int(id_.split("-")[-2])


def _asked(type_name: str, parameter: SearchParameter, resource: Json) -> Iterator[tuple[str, str]]:
    """Searches that the resource meets, each with the FHIR type of the value."""
    if parameter.components and shape(type_name, parameter) is Shape.CONDITIONS:
        known = standard_parameters(type_name)
        parts = [dict(_asked(type_name, known[component.code], resource)) for component in parameter.components]
        for values in product(*(part.items() for part in parts)):
            yield "$".join(kind for kind, _ in values), "$".join(value for _, value in values)
        return
    for branch in compile_branches(parameter.expression, type_name):
        for item in link(branch.steps)([resource]):
            if parameter.components:
                value = _parts(parameter, branch, item, resource)
            else:
                value = _value(parameter, branch, item)
            if value is not None:
                yield branch.structure if parameter.components else branch.type, value


def _value(parameter: SearchParameter | Component, branch: Branch, value: Any) -> str | None:
    makes = VALUES[parameter.type]
    make = makes.get(branch.type) or makes.get(branch.structure)
    return None if make is None else make(value)


def _parts(parameter: SearchParameter, element: Branch, item: Json, resource: Json) -> str | None:
    """The parts of a composite, each from the element; `%resource` is the whole."""
    found = []
    for component in parameter.components:
        text = expression(parameter, component)
        whole = text.removeprefix("%resource.")
        structure, start = (element.structure, item) if whole == text else (resource["resourceType"], resource)
        values = (
            _value(component, branch, value)
            for branch in compile_branches(whole, structure)
            for value in link(branch.steps)([start])
        )
        found.append(next((value for value in values if value), None))
    return "$".join(part for part in found if part is not None) if all(found) else None
