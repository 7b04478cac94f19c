"""Connections: a page of a search with the ways to the other pages.

A cursor holds the query of the page that it leads to, as the links of a searchset do, and how many matches come before
it, sealed for its type. It opens nothing: what is found depends on who asks with it.

Spec: FHIR R4, hl7.org/fhir/R4/graphql.html#searching
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from healix_fhir.interaction.result import Page
from healix_fhir.kernel.errors import HealixError
from healix_fhir.operation.graphql import values
from healix_fhir.operation.graphql.document import wrong
from healix_fhir.operation.graphql.graph import CONNECTION, EDGE, Kind, type_name
from healix_fhir.operation.graphql.output import Record
from healix_fhir.operation.graphql.selection import CURSORS, Compiler, Field
from healix_fhir.operation.graphql.walk import Spot, Walk
from healix_fhir.search.controls import DEFAULT_COUNT, MOST
from healix_fhir.search.keyset import Place
from healix_fhir.search.page import Cursor, Signer

LINKS = ("first", "previous", "next", "last")


class AskedPage(msgspec.Struct, frozen=True):
    """A page that is asked for: its place among the matches, its size, the parameters of its search."""

    type: str
    offset: int
    size: int
    params: Sequence[tuple[str, str]]


def asked(field: Field, params: Sequence[tuple[str, str]], signer: Signer, *, counted: bool) -> AskedPage:
    """The page that a field asks for. Raises Invalid for a cursor that is none, or stands beside other arguments."""
    name = next((name for name in CURSORS if name in field.given), None)
    if name is None:
        count = values.whole(field.given, "_count")
        size = DEFAULT_COUNT if count is None else min(count, MOST)
        total = [("_total", "accurate")] if counted and size else []
        return AskedPage(field.place.type, 0, size, [*params, *total, ("_count", str(size))])
    if len(field.given) > 1:
        raise wrong(field.node, f"'{name}' says what is searched for: no other argument stands beside it")
    offset, told = _opened(field, name, signer)
    query = parse_qsl(told, keep_blank_values=True)
    size = next((int(value) for key, value in query if key == "_count" and value.isdecimal()), DEFAULT_COUNT)
    return AskedPage(field.place.type, offset, size, query)


def facts(page: AskedPage, found: Page, signer: Signer) -> Mapping[str, Any]:
    """What is told of a page: of the last one nobody knows where it begins."""
    places = {
        "first": 0,
        "previous": max(page.offset - page.size, 0),
        "next": page.offset + page.size,
    }
    links = {name: found.links[name] for name in places if name in found.links}
    cursors = {name: _sealed(signer, page.type, places[name], query) for name, query in links.items()}
    total = {} if found.total is None else {"count": found.total}
    return {"offset": page.offset, "pagesize": page.size} | total | cursors


def put(walk: Walk, compiler: Compiler, spot: Spot, told: Mapping[str, Any], bodies: Sequence[dict[str, Any]]) -> None:
    """Put a connection into the answer."""
    type_ = spot.field.place.type
    record = _inner(spot, f"{type_}{CONNECTION}")
    for field in compiler.fields(spot.field.selections, f"{type_}@{CONNECTION}"):
        if field.kind is Kind.EDGES:
            record.entry(field, field.key, EDGE, listed=True)
            for body in bodies:
                edge = _inner(Spot(record, field, "", listed=True), EDGE)
                _edge(walk, compiler, Spot(edge, field, "", listed=False), body)
        else:
            _fact(record, field, told, type_name(f"{type_}{CONNECTION}"))


def _edge(walk: Walk, compiler: Compiler, edge: Spot, body: dict[str, Any]) -> None:
    type_ = edge.field.place.type
    for field in compiler.fields(edge.field.selections, f"{type_}@{EDGE}"):
        if field.kind is Kind.MATCH:
            walk.resource(Spot(edge.record, field, "", listed=False), body)
        else:
            _fact(edge.record, field, {"mode": "match"}, f"{type_}{EDGE}")


def _fact(record: Record, field: Field, told: Mapping[str, Any], name: str) -> None:
    value = name if field.kind is Kind.NAME else told.get(field.name)
    if value is not None:
        record.put(field, field.key, "", value, listed=False)


def _inner(spot: Spot, type_: str) -> Record:
    inner = spot.record.inner()
    spot.record.put(spot.field, spot.key, type_, inner, listed=spot.listed)
    return inner


def _sealed(signer: Signer, type_: str, offset: int, query: str) -> str:
    return signer.seal(Cursor(offset, False, Place(0, (query,), 0)), f"$graphql {type_}")


def _opened(field: Field, name: str, signer: Signer) -> tuple[int, str]:
    """How many matches come before the page that a cursor leads to, and its query."""
    try:
        cursor = signer.unseal(values.text(field.given, name) or "", f"$graphql {field.place.type}")
    except HealixError as error:
        raise wrong(field.given[name][0], f"'{name}' is no cursor of {field.name} of this server") from error
    query = cursor.place.keys[0] if cursor.place else None
    return cursor.ceiling, query or ""
