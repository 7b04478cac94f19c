"""What a selection asks of a type: its fields, with fragments put in and arguments read, each once.

Which type that is may only be known when a reference has been followed, so selections are read as they are met. Two
fields of one name in the answer are one field if they are the same; `resource`, which two types may share the name of,
is the exception that FHIR's page makes.

Spec: GraphQL October 2021, spec.graphql.org/October2021/#sec-Field-Collection; FHIR R4, hl7.org/fhir/R4/graphql.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import language

from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import PRIMITIVES
from healix_fhir.model.fhirpath.engine import Expression, compile_expression
from healix_fhir.model.fhirpath.evaluate.node import every_property
from healix_fhir.operation.graphql import values
from healix_fhir.operation.graphql.document import Document, wrong
from healix_fhir.operation.graphql.graph import (
    QUERY,
    Kind,
    Place,
    criteria,
    is_of,
    is_type,
    place,
    places,
    referring,
    type_name,
)

LEAVES = frozenset({Kind.VALUE, Kind.TYPE, Kind.NAME, Kind.FACT})
SEARCHES = frozenset({Kind.LIST, Kind.PAGES})
ELEMENTS = frozenset({Kind.OBJECT, Kind.BESIDE})
REPEATING = frozenset({Kind.VALUE, Kind.OBJECT, Kind.BESIDE, Kind.LIST})
FLATTENED = frozenset({Kind.OBJECT, Kind.BESIDE, Kind.LIST, Kind.TARGET, Kind.ONE, Kind.MATCH})
NARROWING = ("fhirpath", "_offset", "_count")
CURSORS = ("cursor", "_cursor")
INDEX = "$index"
Selections = tuple[language.SelectionSetNode, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the answer: its name there, what it is, the arguments it was given, and what is selected in it.

    `slice` is what names each of its values, `matching` the expression of `fhirpath`.
    """

    key: str
    node: language.FieldNode
    place: Place
    given: values.Given
    selections: Selections
    first: bool = False
    flatten: bool = False
    singleton: bool = False
    slice: Expression | None = None
    indexed: bool = False
    matching: Expression | None = None

    @property
    def kind(self) -> Kind:
        """What it is."""
        return self.place.kind

    @property
    def name(self) -> str:
        """Its name in the graph."""
        return self.node.name.value


class Compiler:
    """Reads the selections of one document; `level` is the type on which the operation was called, if on one."""

    def __init__(self, document: Document, level: str | None = None) -> None:
        self._document = document
        self._level = level
        self._known: dict[tuple[Any, ...], tuple[Field, ...]] = {}

    def fields(self, selections: Selections, structure: str, *, open_: bool = False) -> tuple[Field, ...]:
        """The fields that are asked of a type, in order. Raises Invalid for what the type does not have.

        With `open_` the resource might have been of another type: what only others have is passed over.
        """
        key = (*map(id, selections), structure, open_)
        if key not in self._known:
            self._known[key] = tuple(self._collected(selections, structure, open_))
        return self._known[key]

    def _collected(self, selections: Selections, structure: str, open_: bool) -> list[Field]:
        found: dict[Any, Field] = {}
        for one in selections:
            for node, strict in self._nodes(one, structure, not open_):
                field = self._field(node, structure, strict=strict)
                if field is None:
                    continue
                key = (field.key, _wanted_type(field))
                before = found.get(key)
                found[key] = field if before is None else _merged(before, field)
        return list(found.values())

    def _nodes(
        self, selections: language.SelectionSetNode, structure: str, strict: bool
    ) -> Iterator[tuple[language.FieldNode, bool]]:
        """The fields that a selection has for a type, and whether the type must have them."""
        for one in selections.selections:
            if not self._included(one):
                continue
            if isinstance(one, language.FieldNode):
                yield one, strict
                continue
            if isinstance(one, language.FragmentSpreadNode):
                fragment = self._document.fragments[one.name.value]
                condition: language.NamedTypeNode | None = fragment.type_condition
                inner = fragment.selection_set
            else:
                assert isinstance(one, language.InlineFragmentNode)
                condition, inner = one.type_condition, one.selection_set
            if condition is None:
                yield from self._nodes(inner, structure, strict)
            elif is_of(structure, condition.name.value):
                yield from self._nodes(inner, structure, strict or condition.name.value == type_name(structure))
            elif not is_type(condition.name.value):
                raise wrong(condition, f"there is no type '{condition.name.value[:64]}'")
            elif strict:
                raise wrong(condition, f"a {type_name(structure)} is never a {condition.name.value}")

    def _included(self, node: language.SelectionNode) -> bool:
        for directive in node.directives or ():
            if directive.name.value in ("skip", "include"):
                given = values.given(directive, self._document.variables)
                if "if" not in given:
                    raise wrong(directive, "'if' is true or false")
                if values.flag(given, "if") is (directive.name.value == "skip"):
                    return False
        return True

    def _field(self, node: language.FieldNode, structure: str, *, strict: bool) -> Field | None:
        name = node.name.value
        found = place(structure, name)
        if found is not None and structure == QUERY and self._level not in (None, found.type):
            found = None
        if found is None:
            if not strict and any(name in places(other) for other in TYPE_ID):
                return None
            raise wrong(node, f"{type_name(structure.replace('@', ''))} has no field '{name[:64]}'")
        given = values.given(node, self._document.variables)
        values.known(given, _arguments(found, structure), name)
        if found.kind in LEAVES and node.selection_set is not None:
            raise wrong(node, f"'{name}' is a value: nothing is selected in it")
        if found.kind not in LEAVES and node.selection_set is None:
            raise wrong(node, f"'{name}' is no value: select what is wanted of it")
        directives = {one.name.value: one for one in node.directives or ()}
        for word, kinds in (("first", REPEATING), ("slice", REPEATING), ("flatten", FLATTENED)):
            if word in directives and found.kind not in kinds:
                raise wrong(directives[word], f"'{name}' takes no @{word}")
        if "slice" in directives and "first" in directives:
            raise wrong(node, f"'{name}': @slice and @first exclude each other")
        path = None
        if "slice" in directives:
            path = values.text(values.given(directives["slice"], self._document.variables), "path")
        matching = values.text(given, "fhirpath")
        return Field(
            key=node.alias.value if node.alias else name,
            node=node,
            place=found,
            given=given,
            selections=(node.selection_set,) if node.selection_set else (),
            first="first" in directives,
            flatten="flatten" in directives,
            singleton="singleton" in directives,
            slice=compile_expression(path) if path is not None and path != INDEX else None,
            indexed=path == INDEX,
            matching=compile_expression(matching) if matching is not None else None,
        )


def _arguments(found: Place, structure: str) -> list[str]:
    """The names of the arguments that a field takes."""
    if found.kind in ELEMENTS and found.repeats:
        assert found.property is not None
        inner = "Element" if found.kind is Kind.BESIDE else found.property.structure
        return [*NARROWING, *(key for key, one in every_property(inner).items() if one.type in PRIMITIVES)]
    if found.kind is Kind.TARGET:
        return ["optional", "type"]
    if found.kind is Kind.ONE:
        return ["id"]
    if found.kind in SEARCHES:
        named = [*criteria(found.type), "_filter", "_text", "_content", "_list", "_sort", "fhirpath", "_count"]
        named += CURSORS if found.kind is Kind.PAGES and structure == QUERY else ()
        named += () if found.kind is Kind.PAGES else ("_offset",)
        return named if structure == QUERY else [*named, "_reference"]
    return []


def reference(field: Field, structure: str) -> str:
    """The search parameter by which the resources of a search within a resource refer to it."""
    name = values.text(field.given, "_reference")
    known = referring(field.place.type, structure)
    if name is None:
        raise wrong(field.node, f"'{field.name}' within a resource takes _reference: {', '.join(sorted(known))}")
    found = known.get(name.replace("-", "_"))
    if found is None:
        raise wrong(field.given["_reference"][0], f"'{name[:64]}' of {field.place.type} refers to no {structure}")
    return found.code


def _wanted_type(field: Field) -> str | None:
    return values.text(field.given, "type") if field.kind is Kind.TARGET else None


def _merged(one: Field, other: Field) -> Field:
    """Two selections of one field. Raises Invalid where they are not the same field."""
    same = one.name == other.name and _said(one.given) == _said(other.given)
    if not same or _directed(one) != _directed(other):
        raise wrong(other.node, f"'{one.key}' is asked for twice and differently: give one of them another name")
    return Field(
        **{name: getattr(one, name) for name in Field.__slots__} | {"selections": one.selections + other.selections}
    )


def _said(given: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    return {name: value for name, (_, value) in given.items()}


def _directed(field: Field) -> tuple[Any, ...]:
    path = field.slice.text if field.slice else None
    return field.first, field.flatten, field.singleton, path, field.indexed
