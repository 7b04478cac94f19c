"""Contained resources in the index: the same rows under other keys, so that no search of whole resources meets them.

A contained resource has a row in `index_contained` and rows in the narrow tables like any other. There its
parameters stand under the negative of their number, and its hashes inverted. What a condition asks of a contained
resource is the condition itself under these keys.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#contained
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import encode
from healix_fhir.search.nodes import (
    And,
    Coded,
    Date,
    InPatient,
    LastUpdated,
    Linked,
    Near,
    Node,
    Not,
    Or,
    Pair,
    Quantity,
    Reference,
    Referring,
    String,
    Token,
    TokenText,
    Versions,
)
from healix_fhir.search.order import Key, Table
from healix_fhir.store.index import ContainedRows, IndexRows

NOTHING = Or(())


def contained_rows(item: dict[str, Any], rows: IndexRows) -> ContainedRows:
    """The rows of a contained resource, of which `rows` are those that it would have by itself."""
    return ContainedRows(
        id=item["id"],
        type=TYPE_ID[item["resourceType"]],
        body=encode(item),
        rows=IndexRows(
            d=rows.d,
            d_hi=rows.d_hi,
            present=rows.present,
            toks=tuple(~h for h in rows.toks),
            strings=tuple((-row[0], *row[1:]) for row in rows.strings),
            dates=tuple((-row[0], *row[1:]) for row in rows.dates),
            references=tuple((-row[0], *row[1:]) for row in rows.references),
            amounts=tuple((~row[0], *row[1:]) for row in rows.amounts),
            positions=tuple((-row[0], *row[1:]) for row in rows.positions),
            texts=tuple((-param, folded, ~h) for param, folded, h in rows.texts),
            coded=rows.coded,
            words=rows.words,
        ),
    )


def inside(node: Node) -> Node:
    """The condition, asked of a contained resource: it has no time of change, and nothing outside refers to it."""
    match node:
        case And(nodes):
            return And(tuple(map(inside, nodes)))
        case Or(nodes):
            return Or(tuple(map(inside, nodes)))
        case Not(inner):
            return Not(inside(inner))
        case Token():
            return Token(~node.key)
        case Coded():
            return replace(node, inside=True, hot=False)
        case Quantity() | Pair():
            return replace(node, h=~node.h)
        case Reference():
            return replace(node, param=-node.param, patient=False)
        case TokenText() | String() | Date() | Near() | Versions() | Linked():
            return replace(node, param=-node.param)
        case LastUpdated() | Referring() | InPatient():
            return NOTHING
        case _:
            return node


def inside_key(key: Key) -> Key:
    """The sort key, of contained resources."""
    if key.table is not None:
        return replace(key, table=_inside_table(key.table))
    return replace(key, cases=tuple((types, inside_key(one)) for types, one in key.cases))


def _inside_table(table: Table) -> Table:
    return replace(table, keys=tuple(~key if table.key == "h" else -key for key in table.keys))
