"""Nodes to SQL: each node becomes one condition over the aliases of a `Row`.

Spec: FHIR R4, hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from healix_fhir.kernel.database import Fragment
from healix_fhir.search.alias import Phase, Row
from healix_fhir.search.compare import compare, compare_instant
from healix_fhir.search.fragments import NOTHING, all_of, any_of, negate
from healix_fhir.search.links import linked, referring
from healix_fhir.search.nodes import (
    And,
    Date,
    EachRow,
    Id,
    LastUpdated,
    Linked,
    Missing,
    Node,
    Not,
    OfType,
    Or,
    Reference,
    Referring,
    Stored,
    String,
    StringMatch,
    Token,
    Visible,
)
from smart_auth.access import AccessContext

LAST_CHARACTER = "\U0010ffff"


def needs_resource(node: Node, *, spans: bool) -> bool:
    """Whether the condition of `node` looks at the resource row itself, not only at what index rows repeat of it."""
    match node:
        case And(nodes) | Or(nodes):
            return any(needs_resource(inner, spans=spans) for inner in nodes)
        case Not(inner):
            return needs_resource(inner, spans=spans)
        case Date(main=True) | Missing(stored=None):
            return not spans
        case Token() | Id() | LastUpdated() | OfType() | Referring(url=None):
            return True
        case _:
            return False


def lower(node: Node, row: Row, access: AccessContext) -> Fragment:
    """The condition that `node` holds of the resource `row`; null counts as false."""
    match node:
        case And(nodes):
            return all_of(lower(inner, row, access) for inner in nodes)
        case Or(nodes):
            return _disjunction(nodes, row, access)
        case Not(inner):
            return negate(lower(inner, row, access))
        case Visible(type_name, permissions):
            return any_of(access.predicate(type_name, permission, row.keys) for permission in permissions)
        case Linked():
            return linked(node, row, lambda inner, other: lower(inner, other, access))
        case Referring():
            return referring(node, row, lambda inner, other: lower(inner, other, access))
        case OfType(types):
            return Fragment(f"{row.resource}.type = ANY(%s::smallint[])", (list(types),))
        case _:
            return _value(node, row)


def _value(node: Node, row: Row) -> Fragment:
    """The condition of a node that looks at a value of the resource."""
    match node:
        case Token(key):
            return Fragment(f"{row.resource}.toks @> ARRAY[%s]::bigint[]", (key,))
        case Date() if node.main:
            return _main_date(node, row)
        case String() | Date() | Reference():
            return _among(row, [node])
        case EachRow(reference):
            return _among(replace(row, each=True), [reference])
        case LastUpdated(prefix, lo, hi):
            return compare_instant(prefix, f"{row.resource}.updated", (lo, hi))
        case Id(id_):
            return Fragment(f"{row.resource}.id = %s", (id_,))
        case Missing(stored=None):
            return Fragment(f"({row.keys}.d IS NULL AND {row.d_hi} IS NULL)")
        case Missing(param, stored):
            assert stored is not None
            return Fragment(
                f"NOT EXISTS (SELECT FROM {stored.value} m WHERE m.pk = {row.keys}.pk AND m.param = %s)", (param,)
            )
        case _:
            raise TypeError(node)


def _disjunction(nodes: Sequence[Node], row: Row, access: AccessContext) -> Fragment:
    """Alternatives of one kind as one condition, which an index can answer where an OR of conditions cannot."""
    if len(nodes) > 1:
        if tokens := [node.key for node in nodes if isinstance(node, Token)]:
            others = [lower(node, row, access) for node in nodes if not isinstance(node, Token)]
            return any_of([Fragment(f"{row.resource}.toks && %s::bigint[]", (tokens,)), *others])
        if ids := [node.id for node in nodes if isinstance(node, Id)]:
            return Fragment(f"{row.resource}.id = ANY(%s)", (ids,))
        stored = [node for node in nodes if isinstance(node, String | Reference) or _is_plain(node)]
        if len(stored) == len(nodes):
            return _among(row, stored)
    return any_of(lower(node, row, access) for node in nodes)


def _is_plain(node: Node) -> bool:
    return isinstance(node, Date) and not node.main


def _among(row: Row, nodes: Sequence[Node]) -> Fragment:
    """The resource is among those for which the narrow table of `nodes` (all of one kind) has a matching row."""
    condition = any_of(stored_condition(node, "x") for node in nodes)
    if condition == NOTHING:
        return NOTHING
    table = stored_table(nodes[0]).value
    if row.each:
        found = f"(SELECT TRUE FROM {table} x WHERE x.pk = {row.keys}.pk AND {condition.sql} LIMIT 1)"
    else:
        found = f"{row.keys}.pk IN (SELECT x.pk FROM {table} x WHERE {condition.sql})"
    return Fragment(found, condition.params)


def stored_table(node: Node) -> Stored:
    """The narrow table that holds the values of a node's parameter."""
    match node:
        case String():
            return Stored.STRING
        case Date():
            return Stored.DATE
        case _:
            return Stored.REFERENCE


def stored_condition(node: Node, alias: str) -> Fragment:
    """The condition on one row of the narrow table of `node`."""
    match node:
        case String():
            return _string(node, alias)
        case Date(param, prefix, lo, hi):
            compared = compare(prefix, f"{alias}.lo", f"{alias}.hi", (lo, hi))
            return Fragment(f"{alias}.param = %s AND {compared.sql}", (param, *compared.params))
        case Reference(param, None, target):
            return Fragment(
                f"{alias}.param = %s AND {alias}.target = %s AND {alias}.target_type IS NULL", (param, target)
            )
        case Reference(param, target_type, target):
            return Fragment(
                f"{alias}.param = %s AND {alias}.target = %s AND {alias}.target_type = %s", (param, target, target_type)
            )
        case _:
            return NOTHING


def _string(node: String, alias: str) -> Fragment:
    if node.match is StringMatch.CONTAINS:
        return Fragment(f"{alias}.param = %s AND strpos({alias}.folded, %s) > 0", (node.param, node.folded))
    if node.match is StringMatch.EXACT:
        return Fragment(
            f"{alias}.param = %s AND {alias}.folded = %s AND {alias}.exact = %s", (node.param, node.folded, node.text)
        )
    return Fragment(
        f"{alias}.param = %s AND {alias}.folded >= %s AND {alias}.folded < %s",
        (node.param, node.folded, node.folded + LAST_CHARACTER),
    )


def _main_date(node: Date, row: Row) -> Fragment:
    """The main clinical date over d and d_hi; d is null for none and an open start, d_hi for none and an open end."""
    d, d_hi = f"{row.keys}.d", row.d_hi
    asked = (node.lo, node.hi)
    dated = compare(node.prefix, d, f"coalesce({d_hi}, 'infinity')", asked)
    started = compare(node.prefix, "'-infinity'::timestamptz", d_hi, asked)
    undated = Fragment(f"{d_hi} IS NOT NULL AND {started.sql}", started.params)
    if row.phase is Phase.DATED:
        return dated
    if row.phase is Phase.UNDATED:
        return undated
    return any_of(
        [
            Fragment(f"({d} IS NOT NULL AND {dated.sql})", dated.params),
            Fragment(f"({d} IS NULL AND {undated.sql})", undated.params),
        ]
    )
