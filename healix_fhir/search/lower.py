"""Nodes to SQL: each node becomes one condition over the aliases of a `Row`.

Spec: FHIR R4, hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from healix_fhir.kernel.database import Fragment
from healix_fhir.search.alias import Phase, Row
from healix_fhir.search.fragments import NOTHING, all_of, any_of, negate, of_types
from healix_fhir.search.links import linked, linked_to, referring
from healix_fhir.search.lower_value import among, lower_value, stored_table
from healix_fhir.search.nodes import (
    And,
    Coded,
    Containing,
    Date,
    EachRow,
    Id,
    InPatient,
    LastUpdated,
    Linked,
    LinkedTo,
    Missing,
    Node,
    Not,
    OfType,
    Or,
    Referring,
    Token,
    TokenText,
    Visible,
)
from smart_auth.access import AccessContext


def needs_resource(node: Node, *, spans: bool) -> bool:
    """Whether the condition of `node` looks at the resource row itself, not only at what index rows repeat of it."""
    match node:
        case And(nodes) | Or(nodes):
            return any(needs_resource(inner, spans=spans) for inner in nodes)
        case Not(inner):
            return needs_resource(inner, spans=spans)
        case Date(main=True):
            return not spans
        case Token() | Coded() | TokenText() | Id() | LastUpdated() | Missing() | OfType() | Referring(url=None):
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
        case LinkedTo(link, ends):
            return linked_to(link, ends, row, lower(link, row, access))
        case Referring():
            return referring(node, row, lambda inner, other: lower(inner, other, access))
        case Containing(types, nodes):
            row_inside = replace(row, keys="i", resource="i", spans=True, phase=Phase.ANY)
            found = all_of([of_types("i", types), *(lower(inner, row_inside, access) for inner in nodes)])
            contained = f"SELECT i.container FROM index_contained i WHERE {found.sql}"
            return NOTHING if found == NOTHING else Fragment(f"{row.keys}.pk IN ({contained})", found.params)
        case InPatient(patient):
            return any_of(of_patient(patient, row.keys))
        case OfType(types):
            return of_types(row.resource, types)
        case EachRow(reference):
            return among(replace(row, each=True), [reference])
        case _:
            return lower_value(node, row)


def _disjunction(nodes: Sequence[Node], row: Row, access: AccessContext) -> Fragment:
    """Alternatives of one kind as one condition, which an index can answer where an OR of conditions cannot."""
    if len(nodes) > 1:
        if tokens := [node.key for node in nodes if isinstance(node, Token)]:
            others = [lower(node, row, access) for node in nodes if not isinstance(node, Token)]
            return any_of([Fragment(f"{row.resource}.toks && %s::bigint[]", (tokens,)), *others])
        if ids := [node.id for node in nodes if isinstance(node, Id)]:
            return Fragment(f"{row.resource}.id = ANY(%s)", (ids,))
        if len({stored_table(node) for node in nodes}) == 1 and stored_table(nodes[0]) is not None:
            return among(row, nodes)
    return any_of(lower(node, row, access) for node in nodes)


def of_patient(patient: str, keys: str) -> tuple[Fragment, Fragment]:
    """The conditions, one of which holds in a patient's compartment: as main patient, and as a further one."""
    key = "(SELECT p.pat FROM patient_key p WHERE p.id = %s)"
    return (
        Fragment(f"{keys}.pat = {key}", (patient,)),
        Fragment(f"{keys}.pk IN (SELECT c.pk FROM compartment c WHERE c.pat = {key})", (patient,)),
    )
