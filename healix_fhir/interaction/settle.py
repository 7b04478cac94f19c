"""What a write is about, once it is known what its condition matches: the table of the conditional interactions.

| matches | create (If-None-Exist) | update | patch | delete |
|---|---|---|---|---|
| none | create | create; under the body's id where it has one | 404 | nothing to do |
| one | that one is the answer | update it; 400 when the body has another id | patch it | delete it |
| several | 412 | 412 | 412 | 412, or delete all where the server allows it |

Spec: FHIR R4, hl7.org/fhir/R4/http.html#ccreate, #cond-update, #patch, #3.1.0.7.1
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from healix_fhir.interaction.accept import change
from healix_fhir.interaction.condition import one_of
from healix_fhir.interaction.patch import patched
from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.errors import Category, HealixError, invalid, not_found
from healix_fhir.kernel.ids import logical_id
from healix_fhir.search.match import Match
from healix_fhir.store.lock import permit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext

SINGLE = 1
MULTIPLE = 1000
"""How many resources one conditional delete takes where the server deletes several."""


class Target(msgspec.Struct, frozen=True):
    """One resource that a write makes or changes; see `store.stored.Change` for the conditions on it."""

    method: Method
    id: str
    seen: int | None = None
    if_absent: Category | None = None


def settle(wanted: Wanted, matches: Sequence[Match], most: int = SINGLE) -> Match | tuple[Target, ...]:
    """The targets of a write; a `Match` where a conditional create is answered by what is there.

    `most` is how many resources a conditional delete may delete. Raises PreconditionFailed, NotFound or Invalid.
    """
    method = Method(wanted.method)
    if wanted.condition is None:
        assert wanted.id is not None
        absent = Category.PRECONDITION_FAILED if wanted.if_none_match is not None else None
        return (Target(method, wanted.id, if_absent=absent),)
    if method is Method.DELETE and len(matches) <= most:
        if not matches and wanted.if_match is not None:
            raise _stale(wanted)
        return tuple(Target(method, match.id, seen=match.version) for match in matches)
    found = one_of(wanted.condition, matches)
    if method is Method.POST:
        assert wanted.id is not None
        return found or (Target(method, wanted.id),)
    if found is None:
        return (_new(wanted, method),)
    if method is Method.PUT and wanted.id not in (None, found.id):
        raise invalid(
            f"the id in the body is not that of the {wanted.type} which the condition matches",
            code="value",
            expression=("Resource.id",),
        )
    if wanted.if_none_match is not None:
        raise HealixError(Category.PRECONDITION_FAILED, f"{wanted.condition} matches a resource already")
    return (Target(method, found.id, seen=found.version),)


def _new(wanted: Wanted, method: Method) -> Target:
    """What is made when an update's condition matches nothing."""
    if method is Method.PATCH:
        raise not_found(f"{wanted.condition} matches nothing")
    if wanted.if_match is not None:
        raise _stale(wanted)
    if wanted.id is None:
        return Target(Method.POST, logical_id())
    return Target(Method.PUT, wanted.id, if_absent=Category.CONFLICT)


def _stale(wanted: Wanted) -> HealixError:
    return HealixError(
        Category.PRECONDITION_FAILED, f"{wanted.condition} matches nothing that has the version of If-Match"
    )


def change_of(access: AccessContext, wanted: Wanted, target: Target, bases: tuple[str, ...]) -> Change:
    """The change that makes `target`. Raises Forbidden, or Invalid with every issue of the resource."""
    permit(access, wanted.type, target.method)
    if target.method is Method.PATCH:
        assert wanted.steps is not None
        patch = patched(wanted.type, target.id, wanted.steps, bases)
        return Change(Method.PATCH, wanted.type, target.id, if_match=wanted.if_match, seen=target.seen, patch=patch)
    if target.method is Method.DELETE:
        return Change(Method.DELETE, wanted.type, target.id, if_match=wanted.if_match, seen=target.seen)
    assert wanted.resource is not None
    made = change(target.method, wanted.resource, wanted.type, target.id, bases, wanted.if_match)
    return msgspec.structs.replace(made, seen=target.seen, if_absent=target.if_absent)
