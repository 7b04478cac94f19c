"""The schema as GraphQL tells of it: for editors, and for generators of clients.

It is made of the same tables as the graph itself. Reverse searches stand in it where a search parameter names the type
that it refers to; those by parameters that may refer to anything (`ProvenanceList(_reference: target)`) work too, and
would make the schema seven times as long.

Spec: GraphQL October 2021, spec.graphql.org/October2021/#sec-Introspection; FHIR R4, hl7.org/fhir/R4/graphql.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from graphql import language

from healix_fhir.kernel.errors import too_large
from healix_fhir.model.custom import derived
from healix_fhir.model.definitions import TYPES
from healix_fhir.model.elements import PRIMITIVES, elements
from healix_fhir.operation.graphql.document import DIRECTIVES, wrong
from healix_fhir.operation.graphql.graph import (
    CONNECTION,
    EDGE,
    FACTS,
    QUERY,
    RESOURCE,
    Kind,
    criteria,
    places,
    referring,
    structure_of,
    type_name,
)
from healix_fhir.operation.graphql.output import length
from healix_fhir.operation.graphql.selection import CURSORS, NARROWING

Json = dict[str, Any]
NUMBERS = {"boolean": "Boolean", "integer": "Int", "unsignedInt": "Int", "positiveInt": "Int", "decimal": "Float"}
SCALARS = ("Boolean", "Float", "ID", "Int", "String", *sorted(PRIMITIVES - NUMBERS.keys() - {"string", "id"}))
MOST = 32_000_000
"""Characters of the schema in one answer: types lead to types, and what is asked of them grows with each level."""
TEXTUAL = ("_filter", "_text", "_content", "_list", "fhirpath")


@derived
def schema(level: str | None) -> Json:
    """The `__schema`: of the whole server, or with a `level` of the type on which the operation is called."""
    types = [_scalar(name) for name in SCALARS]
    types += [_object(name, structure) for name, structure in structure_of().items() if name != RESOURCE]
    for type_ in TYPES:
        types += [_connection(type_), _edge(type_)]
    types += [_resource(), _query(level)]
    types.sort(key=lambda one: str(one["name"]))
    return {
        "description": "FHIR R4",
        "types": types,
        "queryType": named(QUERY),
        "mutationType": None,
        "subscriptionType": None,
        "directives": _directives(),
    }


@derived
def by_name(level: str | None) -> Mapping[str, Json]:
    """The types of the schema by name, for `__type`."""
    return {one["name"]: one for one in schema(level)["types"]}


@cache
def named(name: str) -> Json:
    """A reference to a type: the type itself tells more."""
    kind = "SCALAR" if name in SCALARS else "INTERFACE" if name == RESOURCE else "OBJECT"
    return {"kind": kind, "name": name, "ofType": None}


@cache
def many(name: str) -> Json:
    """A list of a type."""
    return _type("LIST", None, ofType=named(name))


@cache
def needed(name: str) -> Json:
    """A type that is not null."""
    return _type("NON_NULL", None, ofType=named(name))


def _type(kind: str, name: str | None, **more: Any) -> Json:
    return {
        "kind": kind, "name": name, "description": None, "specifiedByURL": None, "isOneOf": None, "fields": None,
        "interfaces": None, "possibleTypes": None, "enumValues": None, "inputFields": None, "ofType": None,
    } | more  # fmt: skip


def _scalar(name: str) -> Json:
    return _type("SCALAR", name)


def _field(name: str, type_: Json, args: list[Json] | None = None) -> Json:
    return {
        "name": name, "description": None, "args": args or [], "type": type_, "isDeprecated": False,
        "deprecationReason": None,
    }  # fmt: skip


@cache
def _argument(name: str, kind: str, *, listed: bool = False, must: bool = False) -> Json:
    type_ = many(kind) if listed else needed(kind) if must else named(kind)
    return {
        "name": name, "description": None, "type": type_, "defaultValue": None, "isDeprecated": False,
        "deprecationReason": None,
    }  # fmt: skip


def _object(name: str, structure: str) -> Json:
    fields = [_element(key, structure) for key in places(structure)]
    if structure in TYPES:
        fields += _searches(structure)
    interfaces = [named(RESOURCE)] if structure in TYPES else []
    return _type("OBJECT", name, fields=fields, interfaces=interfaces)


def _element(key: str, structure: str) -> Json:
    place = places(structure)[key]
    if place.kind is Kind.TYPE:
        return _field(key, named("code"))
    if place.kind is Kind.TARGET:
        return _field(key, named(RESOURCE), [_argument("optional", "Boolean"), _argument("type", "String")])
    assert place.property is not None
    wrap = many if place.repeats else named
    if place.kind is Kind.VALUE:
        return _field(key, wrap(_primitive(place.property.type)))
    inner = "Element" if place.kind is Kind.BESIDE else place.property.structure
    return _field(key, wrap(type_name(inner)), _narrowing(inner) if place.repeats else None)


@cache
def _narrowing(structure: str) -> list[Json]:
    values = [
        key for key, place in places(structure).items() if place.kind is Kind.VALUE and key in elements(structure)
    ]
    kinds = dict.fromkeys(values, "String") | {"fhirpath": "String", "_offset": "Int", "_count": "Int"}
    return [_argument(name, kind) for name, kind in kinds.items() if name in (*NARROWING, *values)]


def _primitive(type_: str) -> str:
    return NUMBERS.get(type_) or {"string": "String", "id": "ID"}.get(type_, type_)


@derived
def _searching(type_: str, kind: Kind, inside: bool) -> list[Json]:
    found = [_argument("_reference", "String", must=True)] if inside else []
    found += [_argument(name, "String", listed=True) for name in (*criteria(type_), "_sort")]
    found += [_argument(name, "String") for name in TEXTUAL]
    found.append(_argument("_count", "Int"))
    if kind is Kind.LIST:
        found.append(_argument("_offset", "Int"))
    elif not inside:
        found += [_argument(name, "String") for name in CURSORS]
    return found


def _search_fields(type_: str, *, inside: bool) -> Iterator[Json]:
    yield _field(f"{type_}List", many(type_), _searching(type_, Kind.LIST, inside))
    yield _field(f"{type_}{CONNECTION}", named(f"{type_}{CONNECTION}"), _searching(type_, Kind.PAGES, inside))


def _searches(structure: str) -> list[Json]:
    """The reverse searches of a type, by parameters that name it."""
    found: list[Json] = []
    for type_ in TYPES:
        if any(len(one.targets) < len(TYPES) // 2 for one in referring(type_, structure).values() if one.targets):
            found += _search_fields(type_, inside=True)
    return found


def _query(level: str | None) -> Json:
    fields: list[Json] = []
    for type_ in TYPES:
        if level in (None, type_):
            fields.append(_field(type_, named(type_), [_argument("id", "ID", must=True)]))
            fields += _search_fields(type_, inside=False)
    return _type("OBJECT", QUERY, fields=fields, interfaces=[])


def _resource() -> Json:
    shared = [_element(key, "Patient") for key in ("resourceType", "id", "meta", "implicitRules", "language")]
    return _type("INTERFACE", RESOURCE, fields=shared, interfaces=[], possibleTypes=[named(one) for one in TYPES])


def _connection(type_: str) -> Json:
    kinds = dict.fromkeys(FACTS, "ID") | dict.fromkeys(("count", "offset", "pagesize"), "Int")
    fields = [_field(name, named(kind)) for name, kind in kinds.items()]
    fields.append(_field("edges", many(f"{type_}{EDGE}")))
    return _type("OBJECT", f"{type_}{CONNECTION}", fields=fields, interfaces=[])


def _edge(type_: str) -> Json:
    fields = [_field("mode", named("code")), _field("score", named("Float")), _field("resource", named(type_))]
    return _type("OBJECT", f"{type_}{EDGE}", fields=fields, interfaces=[])


def _directives() -> list[Json]:
    return [
        {
            "name": one.name,
            "description": one.description,
            "locations": [place.name for place in one.locations],
            "args": [_argument(name, str(arg.type).rstrip("!"), must=True) for name, arg in one.args.items()],
            "isRepeatable": one.is_repeatable,
        }
        for one in DIRECTIVES
    ]


class Projection:
    """What a document selects of the schema. Parts that are shared are projected once."""

    def __init__(self, fragments: Mapping[str, language.FragmentDefinitionNode], level: str | None) -> None:
        self._fragments = fragments
        self._level = level
        self._known: dict[tuple[int, int], tuple[Json, int]] = {}
        self._size = 0

    def of(self, node: language.FieldNode, name: str | None) -> Json | None:
        """The answer of `__schema`, or with a `name` of `__type`."""
        found = schema(self._level) if name is None else by_name(self._level).get(name)
        if node.selection_set is None:
            raise wrong(node, f"'{node.name.value}' is no value: select what is wanted of it")
        if found is None:
            return None
        made, size = self._object(found, node.selection_set)
        self._size += size
        _check(self._size)
        return made

    def _object(self, value: Json, selections: language.SelectionSetNode) -> tuple[Json, int]:
        """What is selected of a part, and how many characters that is, roughly."""
        key = (id(value), id(selections))
        if key not in self._known:
            if set(value) == {"kind", "name", "ofType"} and value["name"] is not None:
                value = by_name(self._level)[value["name"]]
            made: Json = {}
            size = 1
            for field in self._fields(selections):
                inner, count = self._value(value, field)
                key_ = field.alias.value if field.alias else field.name.value
                made[key_] = inner
                size += len(key_) + count
            _check(size)
            self._known[key] = made, size
        return self._known[key]

    def _value(self, value: Json, field: language.FieldNode) -> tuple[Any, int]:
        name = field.name.value
        if name == "__typename":
            return (meta := _meta(value)), len(meta)
        if name not in value:
            raise wrong(field, f"the schema has no field '{name[:64]}' here")
        inner = value[name]
        parts = inner if isinstance(inner, list) else [inner]
        if not any(isinstance(one, dict) for one in parts):
            return inner, sum(map(length, parts))
        if field.selection_set is None:
            raise wrong(field, f"'{name}' is no value: select what is wanted of it")
        found = [self._object(one, field.selection_set) for one in parts]
        made = [one for one, _ in found]
        return made if isinstance(inner, list) else made[0], sum(count for _, count in found)

    def _fields(self, selections: language.SelectionSetNode) -> Iterator[language.FieldNode]:
        for one in selections.selections:
            if isinstance(one, language.FieldNode):
                yield one
            elif isinstance(one, language.FragmentSpreadNode):
                yield from self._fields(self._fragments[one.name.value].selection_set)
            elif isinstance(one, language.InlineFragmentNode):
                yield from self._fields(one.selection_set)


def _check(size: int) -> None:
    if size > MOST:
        raise too_large(f"$graphql: what is asked of the schema has more than {MOST} characters; ask for less")


def _meta(value: Json) -> str:
    """The type of a part of the schema, by what it has."""
    for mark, name in (
        ("queryType", "__Schema"),
        ("kind", "__Type"),
        ("locations", "__Directive"),
        ("args", "__Field"),
    ):
        if mark in value:
            return name
    return "__InputValue"
