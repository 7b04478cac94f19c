"""The access predicate as arms: the same condition as `AccessContext.predicate`, in parts that an index can answer.

An OR over the main patient and the further ones would be answered by reading everything; each part alone is a range
of an index that begins with the patient. Where queries of scopes bound a type, the arms are no more than ranges to
read: the predicate itself must hold of each of their rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from healix_fhir.kernel.database import Fragment
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.search.fragments import EVERYTHING, NOTHING, all_of, any_of
from healix_fhir.search.nodes import And, Node, OfType, Or, Visible
from smart_auth.access import AccessContext
from smart_auth.owned import OWNED_TYPES
from smart_auth.scope import Context, Permission, named


@dataclass(frozen=True, slots=True)
class Group:
    """Types whose visible rows fulfil the same condition: one of `pins`, on the alias `t`. `one` stands for all.

    `counted` are pins for reading all of them. Of a type that is `bounded`, `one` must hold beside.
    """

    types: tuple[int, ...]
    pins: tuple[Fragment, ...]
    counted: tuple[Fragment, ...]
    one: Visible
    bounded: bool = False


def groups(types: Iterable[str], permissions: tuple[Permission, ...], access: AccessContext) -> tuple[Group, ...]:
    """The types of which the caller may see something, by the condition on their rows."""
    found: dict[tuple[tuple[Fragment, ...], str], list[str]] = {}
    for name in types:
        one = Visible(name, permissions)
        pins = visible_arms(one, access)
        if pins:
            found.setdefault((pins, name if _bounded(one, access) else ""), []).append(name)
    return tuple(
        Group(tuple(TYPE_ID[name] for name in names), pins, _counted(one, pins, access), one, bool(bounded))
        for (pins, bounded), names in found.items()
        for one in (Visible(names[0], permissions),)
    )


def _counted(one: Visible, pins: tuple[Fragment, ...], access: AccessContext) -> tuple[Fragment, ...]:
    return visible_arms(one, access.joining()) if access.listing else pins


def visible_of(found: Sequence[Group]) -> Node:
    """The access predicate of the resources of all groups together, each type under its own."""
    if len(found) == 1:
        return found[0].one
    return Or(tuple(And((OfType(group.types), group.one)) for group in found))


def visible_arms(node: Visible, access: AccessContext) -> tuple[Fragment, ...]:
    """The conditions on the alias `t` of which one must hold; none when the caller sees nothing."""
    within = _reach(node, access, "t.pat")
    if node.type_name in OWNED_TYPES and within != EVERYTHING:
        owned = any_of(access.predicate(node.type_name, permission, "t") for permission in node.permissions)
        return () if owned == NOTHING else (owned,)
    if within == NOTHING:
        return ()
    if within == EVERYTHING:
        return (EVERYTHING,)
    shown = any_of(all_of(access.shown(node.type_name, permission, "t")) for permission in node.permissions)
    if not access.may_be_of_several(node.type_name):
        return (all_of([within, shown]),)
    reached = _reach(node, access, "c.pat")
    further = Fragment(f"t.pk IN (SELECT c.pk FROM compartment c WHERE {reached.sql})", reached.params)
    return (all_of([within, shown]), all_of([further, shown]))


def sees_one_patient(node: Visible, access: AccessContext) -> bool:
    """Whether the caller sees at most one patient's compartment of the type."""
    if node.type_name in OWNED_TYPES:
        return False
    opened = {context for p in node.permissions for context in named(access.scopes, node.type_name, p)}
    return opened == {Context.PATIENT} and _reach(node, access, "t.pat") != EVERYTHING


def _reach(node: Visible, access: AccessContext, column: str) -> Fragment:
    return any_of(access.reach(node.type_name, permission, column) for permission in node.permissions)


def _bounded(node: Visible, access: AccessContext) -> bool:
    return any(access.bounded(node.type_name, permission) for permission in node.permissions)
