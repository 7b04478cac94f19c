"""`_contained` and `_containedType`: whether contained resources are searched, and what stands for them in the result.

`_contained=true` searches them only, `both` them and all others. For each match the result has its container, once
however many of its contained resources match; with `_containedType=contained` it has the match itself, whose address
is that of the container with `#` and the id. What is in a container is seen by whoever sees the container.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#contained
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

from healix_fhir.kernel.database import Fragment
from healix_fhir.kernel.errors import unsupported
from healix_fhir.model.definitions import TYPE_ID, TYPES
from healix_fhir.search.fragments import EVERYTHING, all_of, any_of, of_types
from healix_fhir.search.inside import inside
from healix_fhir.search.nodes import And, Containing, Node, OfType, Or
from healix_fhir.search.order import LAST_CHANGED, By, Order
from healix_fhir.search.plan import Arm, Plan
from healix_fhir.search.source import Source
from healix_fhir.search.visible import groups
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

SEARCHED = (Permission.SEARCH,)


class Contained(Enum):
    """Which resources are searched, by the value of `_contained`."""

    FALSE = "false"
    TRUE = "true"
    BOTH = "both"


class Returned(Enum):
    """What stands for a contained match, by the value of `_containedType`."""

    CONTAINER = "container"
    CONTAINED = "contained"


def containers(contained: Contained, types: Sequence[str], where: Sequence[Node]) -> tuple[Node, ...]:
    """The condition on resources of any type that contain a match or, with `both`, are of `types` and match."""
    numbers = tuple(TYPE_ID[name] for name in types)
    found = Containing(numbers, tuple(map(inside, where)))
    return (found if contained is Contained.TRUE else Or((And((OfType(numbers), *where)), found)),)


def order_of_containers(order: Order | None) -> Order:
    """Containers are of any type: they are sorted by what all have."""
    if order is None:
        return LAST_CHANGED
    if not all(key.by in (By.UPDATED, By.ID) for key in order.keys):
        raise unsupported("_sort: containers are sorted by _lastUpdated or _id; or ask for _containedType=contained")
    return order


def with_contained(
    whole: Plan, types: Sequence[str], where: Sequence[Node], order: Order, access: AccessContext
) -> Plan:
    """The plan of a search, and beside it what reads contained resources of `types` in visible containers."""
    visible = any_of(
        all_of([of_types("o", group.types), any_of(access.predicate(group.one.type_name, p, "o") for p in SEARCHED)])
        for group in groups(TYPES, SEARCHED, access)
    )
    numbers = tuple(TYPE_ID[name] for name in types)
    source = Source(
        "index_contained t JOIN resource o ON o.pk = t.container",
        all_of([of_types("t", numbers), Fragment("NOT o.deleted"), visible]),
        whole=True,
        contained=True,
    )
    arm = Arm(source, EVERYTHING, tuple(map(inside, where)), phase=None if order.first.nullable else 0)
    counted = replace(arm, phase=None)
    return replace(whole, arms=(*whole.arms, arm), counted=(*whole.counted, counted))
