"""Walking through a resource: what is selected of it goes into the answer, what lies outside of it is noted.

A reference that is to be followed, or a search for what refers to the resource, waits until the whole level of the
answer has been walked, so that all of a level are looked for together.

Spec: FHIR R4, hl7.org/fhir/R4/graphql.html#fields, #list, #references, #flattening
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import language

from healix_fhir.kernel.errors import Category, HealixError, too_large
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME
from healix_fhir.model.fhirpath.engine import Environment, Expression
from healix_fhir.model.fhirpath.evaluate.node import Node, extensions_of, outermost, root, take
from healix_fhir.model.json import number_text
from healix_fhir.operation.graphql import values
from healix_fhir.operation.graphql.document import wrong
from healix_fhir.operation.graphql.graph import Kind, type_name
from healix_fhir.operation.graphql.output import Record
from healix_fhir.operation.graphql.selection import INDEX, SEARCHES, Compiler, Field, Selections
from healix_fhir.search.params.reference import target

STEPS = 20_000
"""The budget of one evaluation of FHIRPath."""
SECONDS = 5.0
"""Time for all walking of one request."""
ABSENT = object()


@dataclass(frozen=True, slots=True)
class Spot:
    """Where in the answer something goes: the name in a record, and whether it is one of a list."""

    record: Record
    field: Field
    suffix: str
    listed: bool

    @property
    def key(self) -> str:
        """The name."""
        return self.field.key + self.suffix


@dataclass(frozen=True, slots=True)
class Wanted:
    """A resource that is looked for by its id, for a reference or by name."""

    spot: Spot
    type: str
    id: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Sought:
    """What a search looks for; within a resource, what refers to that."""

    spot: Spot
    type: str | None = None
    id: str | None = None


class Walk:
    """The walk of one request; `waiting` is what the level asks for outside of its resources."""

    def __init__(self, compiler: Compiler, bases: tuple[str, ...]) -> None:
        self._compiler = compiler
        self._bases = bases
        self._ends = time.monotonic() + SECONDS
        self.waiting: list[Wanted | Sought] = []

    def of_root(self, record: Record, body: dict[str, Any], selections: language.SelectionSetNode) -> None:
        """Put what a whole operation selects of a resource into a record."""
        self._fill(record, root(body), (selections,), "", listed=False, open_=False)

    def resource(self, spot: Spot, body: dict[str, Any], *, open_: bool = False) -> None:
        """Put what `spot` selects of a resource there."""
        self._into(spot, root(body), open_=open_)

    def resources(self, spot: Spot, bodies: Sequence[dict[str, Any]]) -> None:
        """Put what `spot` selects of what a search found there: a list, also of none."""
        field = spot.field
        if spot.listed and not field.flatten and field.slice is None and not field.indexed:
            spot.record.entry(field, spot.key, field.place.type, listed=True)
        for index, body in enumerate(bodies[:1] if field.first else bodies):
            node = root(body)
            suffix = spot.suffix + self._sliced(field, node, index)
            self._into(Spot(spot.record, field, suffix, spot.listed), node, open_=False)

    def _into(self, spot: Spot, node: Node, *, open_: bool) -> None:
        """An object at a spot, or its fields in the record there where it is flattened."""
        if spot.field.flatten:
            self._fill(spot.record, node, spot.field.selections, spot.suffix, listed=spot.listed, open_=open_)
            return
        inner = spot.record.inner()
        spot.record.put(spot.field, spot.key, type_name(node.structure), inner, listed=spot.listed)
        self._fill(inner, node, spot.field.selections, "", listed=False, open_=open_)

    def _fill(
        self, record: Record, node: Node, selections: Selections, suffix: str, *, listed: bool, open_: bool
    ) -> None:
        """Put what is selected of a node into a record; as lists where there may be more than one node."""
        self._check()
        for one in self._compiler.fields(selections, node.structure, open_=open_):
            spot = Spot(record, one, suffix, listed or (one.place.repeats and not one.first))
            if one.kind is Kind.VALUE:
                self._values(spot, node)
            elif one.kind is Kind.TYPE:
                record.put(one, spot.key, "code", node.value["resourceType"], listed=listed)
            elif one.kind is Kind.NAME:
                record.put(one, spot.key, "", type_name(node.structure), listed=listed)
            elif one.kind is Kind.TARGET:
                self._target(spot, node)
            elif one.kind in SEARCHES:
                self._search(spot, node)
            else:
                self._objects(spot, node)

    def _values(self, spot: Spot, node: Node) -> None:
        """The values of a primitive; one of an array that has only extensions is null, as in JSON."""
        field, place = spot.field, spot.field.place.property
        assert place is not None
        children = take(node, place)
        for index, child in enumerate(children[:1] if field.first else children):
            if child.value is None and not place.repeats:
                continue
            sliced = self._sliced(field, child, index)
            spot.record.put(field, spot.key + sliced, place.type, child.value, listed=spot.listed)

    def _objects(self, spot: Spot, node: Node) -> None:
        field, place = spot.field, spot.field.place.property
        assert place is not None
        beside = field.kind is Kind.BESIDE
        children = [(extensions_of(one) if beside else one) for one in take(node, place)]
        if beside and not field.given and not field.flatten and field.place.repeats and any(children):
            for child in children[:1] if field.first else children:
                if child is None:
                    spot.record.put(field, spot.key, "Element", None, listed=spot.listed)
                else:
                    self._into(spot, child, open_=False)
            return
        chosen = self._chosen(field, [one for one in children if one is not None])
        for index, child in enumerate(chosen[:1] if field.first else chosen):
            sliced = self._sliced(field, child, index)
            self._into(
                Spot(spot.record, field, spot.suffix + sliced, spot.listed), child, open_=place.type == "Resource"
            )

    def _chosen(self, field: Field, children: Sequence[Node]) -> list[Node]:
        """The elements that the arguments of a field leave."""
        if not field.given:
            return list(children)
        filters = [(name, values.text(field.given, name) or "") for name in field.given if name not in NOT_FILTERS]
        found = [
            child
            for child in children
            if all(wanted in map(_written, _all(child.value.get(name))) for name, wanted in filters)
            and (field.matching is None or self._holds(field.matching, child))
        ]
        start = values.whole(field.given, "_offset") or 0
        count = values.whole(field.given, "_count")
        return found[start:] if count is None else found[start : start + count]

    def matches(self, field: Field, body: dict[str, Any]) -> bool:
        """Whether the `fhirpath` of a search holds of a resource that it found."""
        return field.matching is None or self._holds(field.matching, root(body))

    def _holds(self, expression: Expression, node: Node) -> bool:
        self._check()
        return expression.holds(node, Environment(steps=STEPS))

    def _sliced(self, field: Field, node: Node, index: int) -> str:
        """What @slice adds to the name of a value."""
        if field.indexed:
            return f".{index}"
        if field.slice is None:
            return ""
        self._check()
        found = field.slice.evaluate(outermost(node).value, focus=node, environment=Environment(steps=STEPS))
        if len(found) > 1 or any(isinstance(one.value, dict | list) for one in found):
            raise wrong(field.node, f"@slice of '{field.name}' takes a path to one value, or {INDEX}")
        return "".join(f".{_written(one.value)}" for one in found)

    def _check(self) -> None:
        if time.monotonic() > self._ends:
            raise too_large(f"$graphql: the query takes more than {SECONDS:g} seconds of work; ask for less at once")

    def _target(self, spot: Spot, node: Node) -> None:
        """Follow a reference: into the resource that it is in, or to another one, later."""
        field = spot.field
        wanted, optional = values.text(field.given, "type"), values.flag(field.given, "optional")
        if wanted is not None and wanted not in TYPE_ID:
            raise wrong(field.given["type"][0], f"there is no resource type '{wanted[:64]}'")
        literal = node.value.get("reference")
        if isinstance(literal, str) and literal.startswith("#"):
            inner = _contained(node, literal[1:])
            if inner is not None:
                if wanted in (None, inner.type):
                    self._into(spot, inner, open_=wanted is None)
                return
        found = target(literal, self._bases) if isinstance(literal, str) else None
        if found is not None and found[0] is not None:
            type_ = TYPE_NAME[found[0]]
            if wanted in (None, type_):
                _, _, version = str(literal).partition("/_history/")
                self.waiting.append(Wanted(spot, type_, found[1], version or None))
        elif not optional and wanted is None:
            raise unresolved(literal)

    def _search(self, spot: Spot, node: Node) -> None:
        if node.parent is not None:
            raise wrong(spot.field.node, f"'{spot.field.name}': what is inside a resource is referred to by no other")
        self.waiting.append(Sought(spot, node.type, node.value["id"]))


NOT_FILTERS = frozenset({"fhirpath", "_offset", "_count"})


def unresolved(literal: Any, about: tuple[tuple[str, str], ...] = ()) -> HealixError:
    """The refusal of a reference that leads to nothing that may be seen."""
    return HealixError(
        Category.NOT_FOUND,
        f"the reference '{str(literal)[:200]}' cannot be followed; with resource(optional: true) it would be left out",
        about=about,
    )


def _contained(node: Node, id_: str) -> Node | None:
    """The resource that the one around `node` contains; with an empty id that one itself."""
    holder: Node | None = node
    while holder is not None and (holder.type not in TYPE_ID or holder.name == "contained"):
        holder = holder.parent
    if holder is None:
        return None
    if not id_:
        return holder
    return next((one for one in _inside(holder) if one.value.get("id") == id_), None)


def _inside(holder: Node) -> Iterator[Node]:
    for index, value in enumerate(_all(holder.value.get("contained"))):
        kind = value.get("resourceType")
        if kind in TYPE_ID:
            yield Node(value, kind, kind, None, holder, "contained", index)


def _all(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _written(value: Any) -> str:
    """A value as an argument would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else number_text(value)
