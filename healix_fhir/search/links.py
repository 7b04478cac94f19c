"""Links between resources as SQL: what a reference points to, and what points here.

A reference to a local resource is met by type and logical id; a canonical one by the URL that the target says it has,
with its version where the reference names one.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#chaining, #has, hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from healix_fhir.kernel.database import Fragment
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.search.alias import Row
from healix_fhir.search.fragments import NOTHING, all_of
from healix_fhir.search.nodes import Linked, Node, Referring

Lower: TypeAlias = Callable[[Node, Row], Fragment]

GATE = "gate"
"""The member of a statement that tells which lists (search/drive) are whole."""


def whole(name: str) -> Fragment:
    """The condition that a list was not cut off, nor one that it is made from."""
    return Fragment(f"(SELECT g.{name} FROM {GATE} g)")


def linked(node: Linked, row: Row, lower: Lower) -> Fragment:
    """The resource `row` points to one of which `node.node` holds."""
    end = row.linked()
    condition = all_of([lower(node.target, end), lower(node.node, end)])
    if condition == NOTHING:
        return NOTHING
    type_id = TYPE_ID[node.target.type_name]
    link, r = f"l{end.depth}", end.keys
    if node.url is None:
        source = f"index_reference {link} JOIN resource {r} ON {r}.type = {link}.target_type AND {r}.id = {link}.target"
        bound = Fragment(f"{link}.param = %s AND {link}.target_type = %s AND NOT {r}.deleted", (node.param, type_id))
    else:
        source = f"{same_url(link, f'u{end.depth}')} JOIN resource {r} ON {r}.pk = u{end.depth}.pk"
        bound = Fragment(f"{link}.param = %s AND u{end.depth}.param = %s", (node.param, node.url))
    found = all_of([bound, condition])
    if row.each:
        return Fragment(
            f"(SELECT TRUE FROM {source} WHERE {link}.pk = {row.keys}.pk AND {found.sql} LIMIT 1)", found.params
        )
    return Fragment(f"{row.keys}.pk IN (SELECT {link}.pk FROM {source} WHERE {found.sql})", found.params)


def linked_to(node: Linked, ends: str, row: Row, otherwise: Fragment) -> Fragment:
    """The resource `row` points to one that the list `ends` has; where that was cut off, `otherwise` is asked.

    IS TRUE keeps PostgreSQL from reading the list anew for every row: it looks into a hash of it.
    """
    if otherwise == NOTHING:
        return NOTHING
    return Fragment(
        f"CASE WHEN {whole(ends).sql} THEN (SELECT TRUE FROM index_reference l WHERE l.pk = {row.keys}.pk"
        f" AND l.param = %s AND l.target_type = %s AND (l.target IN (SELECT e.id FROM {ends} e)) IS TRUE LIMIT 1)"
        f" ELSE {otherwise.sql} END",
        (node.param, TYPE_ID[node.target.type_name], *otherwise.params),
    )


def referring(node: Referring, row: Row, lower: Lower) -> Fragment:
    """A resource of which `node.node` holds points to the resource `row`."""
    end = row.linked()
    condition = all_of([lower(node.source, end), lower(node.node, end)])
    if condition == NOTHING:
        return NOTHING
    link, u, r = f"l{end.depth}", f"u{end.depth}", end.keys
    if node.url is None:
        source, here, there = f"index_reference {link}", f"{row.resource}.id", f"{link}.target"
        bound = Fragment(f"{link}.param = %s AND {link}.target_type = %s", (node.param, node.own_type))
    else:
        source, here, there = same_url(link, u), f"{row.keys}.pk", f"{u}.pk"
        bound = Fragment(f"{link}.param = %s AND {u}.param = %s", (node.param, node.url))
    found = all_of([bound, condition])
    source = f"{source} JOIN resource {r} ON {r}.pk = {link}.pk"
    if row.each:
        return Fragment(f"(SELECT TRUE FROM {source} WHERE {there} = {here} AND {found.sql} LIMIT 1)", found.params)
    return Fragment(f"{here} IN (SELECT {there} FROM {source} WHERE {found.sql})", found.params)


def same_url(reference: str, own: str) -> str:
    """The join of canonical references (alias `reference`) with the URL that a resource has itself (alias `own`).

    A reference with a version also has a row without it, for searches by URL; that row points nowhere.
    """
    return (
        f"index_reference {reference} JOIN index_reference {own} ON {own}.target = {reference}.target"
        f" AND {own}.target_type IS NULL AND {reference}.target_type IS NULL AND (strpos({reference}.target, '|') > 0"
        f" OR NOT EXISTS (SELECT FROM index_reference v WHERE v.pk = {reference}.pk"
        f" AND v.param = {reference}.param AND starts_with(v.target, {reference}.target || '|')))"
    )
