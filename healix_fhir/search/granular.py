"""What the queries of granular scopes ask of resources: the conditions of a search, made for the access predicate.

A query may ask what the resource itself says: R4's parameters of the types token, reference, string, date and uri, with
their modifiers. It may not chain, or a change of one resource would open another; nor ask for what depends on the time
of asking; nor use parameters that clients define, since whoever may change such a definition could open what he likes.

The condition of a row is a subquery that PostgreSQL answers row by row, so that it changes no plan. Content that is not
in the index is indexed in passing and judged by the same nodes.

Spec: SMART App Launch 2.2, scopes-and-launch-context.html (finer-grained resource constraints)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from healix_fhir.kernel.conditions import NOTHING, all_of, any_of
from healix_fhir.kernel.database import Fragment
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.model.custom import derived, is_custom
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.search.alias import Row
from healix_fhir.search.extract import extract
from healix_fhir.search.fragments import negate
from healix_fhir.search.holds import holds, is_known
from healix_fhir.search.lower import lower
from healix_fhir.search.nodes import And, Node, Not, Or, Visible
from healix_fhir.search.parameter import alternatives, condition
from healix_fhir.search.params.indexed import is_indexed
from smart_auth.access import AccessContext
from smart_auth.scope import Query, bounded, contexts

TYPES_OF_PARAMETERS = ("token", "reference", "string", "date", "uri")
ELSEWHERE = frozenset({"AuditEvent"})
"""Types whose resources are no rows of the store."""
NOBODY = AccessContext(frozenset())
"""Nothing that a query asks depends on who asks."""
ROW = Row("q", "q", spans=True, each=True)


@dataclass(frozen=True, slots=True)
class ScopeQueries:
    """The queries of scopes on a server whose FHIR base URLs are `bases`."""

    bases: tuple[str, ...]

    def refusal(self, type_name: str, query: Query) -> HealixError | None:
        """Why a scope cannot have this query; None where it can."""
        try:
            nodes(type_name, query, self.bases)
        except HealixError as error:
            return error
        return None

    def of_row(self, type_name: str, query: Query, pk: str) -> Fragment:
        """The condition that the query holds of the resource with the key `pk`; nothing for what is no query."""
        if self.refusal(type_name, query) is not None:
            return NOTHING
        asked = all_of(map(_lowered, nodes(type_name, query, self.bases)))
        if asked == NOTHING:
            return NOTHING
        return Fragment(
            f"(SELECT TRUE FROM resource q WHERE q.pk = {pk} AND NOT q.deleted AND {asked.sql})", asked.params
        )

    def of_resource(self, type_name: str, query: Query, id_: str, resource: Mapping[str, Any]) -> bool:
        """Whether the query holds of this content of a resource."""
        if self.refusal(type_name, query) is not None:
            return False
        rows = extract(dict(resource), type_name, self.bases)
        return all(holds(node, rows, id_) for node in nodes(type_name, query, self.bases))


def implied(visible: Visible, access: AccessContext) -> tuple[Node, ...]:
    """What holds of all visible resources by the queries of scopes, in terms that an index can be read by.

    Nothing where a scope without a query opens some of the type.
    """
    queries: set[Query] = set()
    for permission in visible.permissions:
        if contexts(access.scopes, visible.type_name, permission):
            return ()
        queries |= {scope.query for scope in bounded(access.scopes, visible.type_name, permission)}
    if not isinstance(access.conditions, ScopeQueries):
        return ()
    known = [query for query in queries if access.conditions.refusal(visible.type_name, query) is None]
    asked = [nodes(visible.type_name, query, access.conditions.bases) for query in sorted(known)]
    if len(asked) == 1:
        return asked[0]
    if any(len(one) != 1 for one in asked):
        return ()
    return (Or(tuple(each for (node,) in asked for each in alternatives(node))),)


def _lowered(node: Node) -> Fragment:
    """The condition of a node, each alternative by itself: predicates are compared, so that no value may be a list."""
    match node:
        case And(several):
            return all_of(map(_lowered, several))
        case Or(several):
            return any_of(map(_lowered, several))
        case Not(inner):
            return negate(_lowered(inner))
        case _:
            return lower(node, ROW, NOBODY)


@derived
def nodes(type_name: str, query: Query, bases: tuple[str, ...]) -> tuple[Node, ...]:
    """The conditions of a query, all of which must hold. Raises Invalid, Unsupported for what a scope cannot ask."""
    if type_name not in TYPE_ID:
        raise invalid(f"'{type_name[:64]}' in the scope is no FHIR R4 resource type", code="value")
    if type_name in ELSEWHERE:
        raise invalid(f"a scope on {type_name} cannot have a query", code="not-supported")
    return tuple(_node(type_name, name, value, bases) for name, value in query)


def _node(type_name: str, name: str, value: str, bases: tuple[str, ...]) -> Node:
    parameter = search_parameters(type_name).get(name.partition(":")[0])
    if parameter is None or is_custom(parameter.id):
        raise invalid(f"{type_name} has no search parameter '{name[:64]}' in R4", code="value")
    if parameter.type not in TYPES_OF_PARAMETERS or not is_indexed(parameter):
        raise invalid(f"{name[:64]}: a scope cannot ask for a {parameter.type} parameter", code="not-supported")
    node = condition(type_name, name, value, bases)
    if not is_known(node):
        raise invalid(f"{name[:64]}={value[:64]}: a scope cannot ask for this", code="not-supported")
    return node
