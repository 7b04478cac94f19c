"""What conditions ask of terminology, looked up: value sets by their canonicals, and the code systems that they need.

It is done once, between reading a search and planning it. What a caller may not see of it does not exist for them.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#token (:in, :not-in, :above, :below)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.search.nodes import And, Coded, Containing, Linked, Node, Not, Or, Referring
from healix_fhir.terminology.compose import Composition, composition
from healix_fhir.terminology.membership import Members, systems_of
from healix_fhir.terminology.resolve import look_up, resolved
from healix_fhir.terminology.sets import Set
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

VALUE_SET = "ValueSet"
MOST = 10
"""Value sets and concepts that one search names."""


def understood(access: AccessContext, where: Sequence[Node], base: str) -> Work[tuple[Node, ...]]:
    """The conditions with what they name looked up; `base` is this server's FHIR base URL.

    Raises Invalid for a value set or a code system that is not known to the caller, or cannot be asked.
    """
    asked = {node.members: node for one in where for node in _coded(one) if not isinstance(node.members, Members)}
    if not asked:
        return tuple(where)
    if len(asked) > MOST:
        raise invalid(
            f"a search names at most {MOST} value sets and concepts by :in, :not-in, :above and :below",
            code="too-costly",
        )
    known: dict[str | Set | Members, Members] = {}
    for members, node in asked.items():
        try:
            known[members] = yield from _known(access, members, base)
        except HealixError as error:
            raise HealixError(error.category, f"{node.asked}: {error.message}", code=error.issues[0].code) from error
    return tuple(_put(node, known) for node in where)


def _known(access: AccessContext, members: str | Set | Members, base: str) -> Work[Members]:
    """Members with the code systems that they are of, of which all that has to be asked is at hand."""
    assert not isinstance(members, Members)
    found = (yield from _members(access, members, base)) if isinstance(members, str) else members
    known = Members(found, (yield from systems_of(access, found)))
    known.of_rows("k")
    return known


def _members(access: AccessContext, name: str, base: str) -> Work[Set]:
    """What a value set consists of. A literal address on this server is one; else the name is a canonical."""
    id_ = name.removeprefix(f"{base}/").removeprefix(f"{VALUE_SET}/")
    if name.startswith((f"{VALUE_SET}/", f"{base}/{VALUE_SET}/")) and is_logical_id(id_):
        whole = yield from _by_id(access, id_)
    else:
        whole = (yield from look_up(access, {name}))[name]
    return (yield from resolved(access, whole))


def _by_id(access: AccessContext, id_: str) -> Work[Composition]:
    visible = access.predicate(VALUE_SET, Permission.READ, "r")
    rows = yield Statement(
        f"SELECT r.body FROM resource r WHERE r.type = %s AND r.id = %s AND NOT r.deleted AND {visible.sql}",
        (TYPE_ID[VALUE_SET], id_, *visible.params),
    )
    if not rows:
        raise invalid(f"the value set {VALUE_SET}/{id_} is not known", code="not-found")
    return composition(decode_stored(bytes(rows[0][0])))


def _coded(node: Node) -> Iterator[Coded]:
    match node:
        case Coded():
            yield node
        case And(nodes) | Or(nodes) | Containing(nodes=nodes):
            for inner in nodes:
                yield from _coded(inner)
        case Not(inner) | Linked(node=inner) | Referring(node=inner):
            yield from _coded(inner)


def _put(node: Node, known: Mapping[str | Set | Members, Members]) -> Node:
    match node:
        case Coded(members=members):
            return node if isinstance(members, Members) else replace(node, members=known[members])
        case And(nodes):
            return And(_each(nodes, known))
        case Or(nodes):
            return Or(_each(nodes, known))
        case Containing(types, nodes):
            return Containing(types, _each(nodes, known))
        case Not(inner):
            return Not(_put(inner, known))
        case Linked() | Referring():
            return replace(node, node=_put(node.node, known))
        case _:
            return node


def _each(nodes: Iterable[Node], known: Mapping[str | Set | Members, Members]) -> tuple[Node, ...]:
    return tuple(_put(one, known) for one in nodes)
