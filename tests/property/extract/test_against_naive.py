"""Compiled expressions against a naive interpretation that knows no element tables, on real resources.

The naive one splits the text of an expression and walks JSON by the look of its keys: `value` is any key that is
`value` or begins with it and goes on with a capital letter.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from healix_fhir.model.definitions import SearchParameter, search_parameters
from healix_fhir.model.fhirpath.path import compile_path
from tests.support.resources import synthea_resources

Json = dict[str, Any]
STEP = re.compile(r"(?P<name>\w+)(\((?P<criterion>(?:[^()]|\(\))*)\))?(\[(?P<index>\d)\])?")
CAST = re.compile(r"\((.+) as (\w+)\)(.*)")


def naive(expression: str, resource: Json) -> list[Any]:
    """The values of an expression of R4's search parameters."""
    if " and " in expression:
        deceased = [value for key, value in resource.items() if key.startswith("deceased")]
        return [bool(deceased) and deceased[0] is not False]
    found: list[Any] = []
    for arm in expression.split("|"):
        found += [value for value in walk(arm.strip(), resource) if value not in found]
    return found


def walk(arm: str, resource: Json) -> list[Any]:
    """The values of one arm of a union."""
    cast = CAST.fullmatch(arm)
    if cast is not None:
        arm = f"{cast[1]}.as({cast[2]}){cast[3]}"
    items: list[tuple[str, Any]] = [("", resource)]
    for step in list(STEP.finditer(arm))[1:]:
        name, criterion = step["name"], step["criterion"]
        if name == "as":
            items = [item for item in items if item[0] == criterion[0].upper() + criterion[1:]]
        elif name == "where":
            items = [item for item in items if holds(criterion, item[1])]
        else:
            items = [child for _, item in items for child in select(name, item)]
        if step["index"]:
            items = items[int(step["index"]) :][:1]
    return [value for _, value in items]


def select(name: str, item: Json) -> Iterator[tuple[str, Any]]:
    """The children `name` of an item, each with the rest of its key: the type of a choice."""
    for key, value in item.items():
        rest = key.removeprefix(name)
        if key == name or (key.startswith(name) and rest[0].isupper()):
            for one in value if isinstance(value, list) else [value]:
                yield rest, one


def holds(criterion: str, item: Json) -> bool:
    """Whether `name='value'` or `resolve() is Type` is true of an item."""
    if criterion.startswith("resolve()"):
        return f"{criterion.rsplit(maxsplit=1)[-1]}/" in item.get("reference", "")
    name, _, value = criterion.partition("=")
    return bool(item.get(name) == value.strip("'"))


def localised(value: Any) -> Any:
    """A resource whose `urn:uuid:` references look like those of a server, so that `resolve()` can tell their type."""
    if isinstance(value, dict):
        found = {key: localised(part) for key, part in value.items()}
        if str(found.get("reference", "")).startswith("urn:uuid:"):
            found["reference"] = "Patient/" + found["reference"].removeprefix("urn:uuid:")
        return found
    return [localised(part) for part in value] if isinstance(value, list) else value


def test_compiled_equals_naive() -> None:
    """Every parameter of every Synthea resource has the same values either way."""
    resources: dict[str, list[Json]] = defaultdict(list)
    for resource in synthea_resources():
        if len(resources[resource["resourceType"]]) < 150:
            resources[resource["resourceType"]].append(localised(resource))
    reached = sum(
        _same(parameter, type_name, resource)
        for type_name, some in resources.items()
        for parameter in search_parameters(type_name).values()
        if parameter.type != "composite"
        for resource in some
    )
    assert reached > 10_000


def _same(parameter: SearchParameter, type_name: str, resource: Json) -> bool:
    values = [value for _, value in compile_path(parameter.expression, type_name)(resource)]
    expected = naive(parameter.expression, resource)
    assert len(values) == len(expected), (parameter.expression, values, expected)
    assert all(value in expected for value in values), (parameter.expression, values, expected)
    return bool(values)
