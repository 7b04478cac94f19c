"""What the queries of scopes ask of resources: known to the search alone, and handed in from there.

Spec: SMART App Launch 2.2, finer-grained resource constraints using search parameters
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from healix_fhir.kernel.conditions import NOTHING
from healix_fhir.kernel.database import Fragment
from healix_fhir.kernel.errors import HealixError, forbidden, invalid
from smart_auth.scope import Query, Scope


class Conditions(Protocol):
    """What the queries of scopes ask of resources. It is a value: two that answer alike are equal."""

    def refusal(self, type_name: str, query: Query) -> HealixError | None:
        """Why a scope cannot have this query; None where it can."""

    def of_row(self, type_name: str, query: Query, pk: str) -> Fragment:
        """The condition that the query holds of the current version of a resource with the key `pk`, an expression."""

    def of_resource(self, type_name: str, query: Query, id_: str, resource: Mapping[str, Any]) -> bool:
        """Whether the query holds of this content of a resource."""


class _Closed(msgspec.Struct, frozen=True):
    """Of no query it is known what it asks."""

    def refusal(self, type_name: str, query: Query) -> HealixError | None:
        return forbidden(f"a query of a scope on {type_name} cannot be read here")

    def of_row(self, type_name: str, query: Query, pk: str) -> Fragment:
        return NOTHING

    def of_resource(self, type_name: str, query: Query, id_: str, resource: Mapping[str, Any]) -> bool:
        return False


CLOSED: Conditions = _Closed()


def check_queries(scopes: Iterable[Scope], conditions: Conditions) -> None:
    """Refuse (Invalid) scopes whose query asks what no scope can ask."""
    for scope in scopes:
        refused = conditions.refusal(scope.type, scope.query) if scope.query else None
        if refused is not None:
            raise invalid(f"'{str(scope)[:200]}' is not a scope that can be granted: {refused.message}", code="value")
