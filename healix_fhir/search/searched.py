"""What a search looks through: a type, several, or all; the whole server, or a compartment.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#search, hl7.org/fhir/R4/compartmentdefinition.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from healix_fhir.kernel.errors import invalid, not_found
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.model.definitions import (
    PATIENT_COMPARTMENT,
    TYPE_ID,
    TYPES,
    compartment,
    search_parameters,
)
from healix_fhir.search.nodes import And, Id, InPatient, Node, OfType, Or, Reference, Token

COMPARTMENTS = ("Device", "Encounter", "Patient", "Practitioner", "RelatedPerson")
ANY = "*"


@dataclass(frozen=True, slots=True)
class Searched:
    """The types searched; `owner` and `id` name the compartment, if one does. `path` is the address below the base."""

    types: tuple[str, ...]
    path: str = ""
    owner: str = ""
    id: str = ""

    def only(self, names: str) -> Searched:
        """The same, as far as it is of the types of `_type=names`."""
        wanted = names.split(",")
        for name in wanted:
            if name not in TYPE_ID:
                raise invalid(f"_type: '{name[:100]}' is not a resource type", code="value")
        return replace(self, types=tuple(name for name in self.types if name in wanted))

    def where(self) -> tuple[Node, ...]:
        """The condition that the compartment sets."""
        if not self.owner:
            return ()
        return (for_each(self.types, lambda name: _membership(self.owner, self.id, name)),)


def one_type(name: str) -> Searched:
    """All resources of a type. NotFound for an unknown one."""
    return Searched((known(name),), name)


def everything() -> Searched:
    """All resources."""
    return Searched(TYPES)


def within(owner: str, id_: str, name: str) -> Searched:
    """The resources of type `name` (`*`: of every type) in a compartment. NotFound where there is no such."""
    if owner not in COMPARTMENTS:
        raise not_found(f"{known(owner)} has no compartment; {', '.join(COMPARTMENTS)} have one")
    members = _members(owner)
    if name != ANY and known(name) not in members:
        raise not_found(f"{name} is never in the compartment of a {owner}")
    types = tuple(sorted(members)) if name == ANY else (name,)
    return Searched(types, f"{owner}/{id_}/{name}", owner, id_)


def known(name: str) -> str:
    """The type `name`; NotFound for what R4 does not define."""
    if name not in TYPE_ID:
        raise not_found(f"there is no resource type {name[:100]} in FHIR R4")
    return name


def _members(owner: str) -> Mapping[str, tuple[str, ...]]:
    return PATIENT_COMPARTMENT if owner == "Patient" else {owner: ("{def}",)} | dict(compartment(owner))


def _membership(owner: str, id_: str, name: str) -> Node:
    """The condition that a resource of type `name` is in the compartment of `owner`/`id_`."""
    if not is_logical_id(id_):
        return Or(())
    if owner == "Patient":
        return InPatient(id_)
    nodes: list[Node] = []
    for code in _members(owner)[name]:
        if code == "{def}":
            nodes.append(Id(id_))
        else:
            nodes.append(Reference(search_parameters(name)[code].id, TYPE_ID[owner], id_))
    return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))


def for_each(types: tuple[str, ...], read: Callable[[str], Node]) -> Node:
    """The condition that `read` gives for the type of a resource, whichever of `types` that is."""
    nodes = [(TYPE_ID[name], read(name)) for name in types]
    if not nodes:
        return Or(())
    different = dict.fromkeys(node for _, node in nodes)
    if len(different) == 1:
        return nodes[0][1]
    if all(_tells_type(node) for node in different):
        return Or(tuple(inner for node in different for inner in (node.nodes if isinstance(node, Or) else (node,))))
    by_node = {node: tuple(number for number, other in nodes if other == node) for node in different}
    return Or(tuple(And((OfType(numbers), node)) for node, numbers in by_node.items()))


def _tells_type(node: Node) -> bool:
    """Whether only resources of the type that a condition was read for can fulfil it: a parameter belongs to one."""
    return isinstance(node, Token) or (isinstance(node, Or) and all(isinstance(inner, Token) for inner in node.nodes))
