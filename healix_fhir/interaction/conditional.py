"""Conditional create, update, patch and delete of single requests, each in a transaction of its own.

Who would create waits for others under the same condition, and looks afterwards: of fifty at once one creates, the
others find what it has made. What is decided on a match is decided again when that has changed until it is locked.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#ccreate, #cond-update, #patch, #3.1.0.7.1
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from healix_fhir.interaction.accept import body_id, known_type, of_type
from healix_fhir.interaction.condition import lock, of_params, of_text
from healix_fhir.interaction.review import Review, unreviewed
from healix_fhir.interaction.settle import SINGLE, change_of, settle
from healix_fhir.interaction.vain import is_vain, record_vain
from healix_fhir.interaction.wanted import Steps, Wanted
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.ids import logical_id
from healix_fhir.model.json import decode
from healix_fhir.search.match import Match, match
from healix_fhir.store.commit import commit
from healix_fhir.store.lock import permit
from healix_fhir.store.read import Ask, read_each
from healix_fhir.store.stored import Committed, Method, Stored
from smart_auth.access import AccessContext


def conditional(
    access: AccessContext, wanted: Wanted, bases: tuple[str, ...], most: int = SINGLE, review: Review = unreviewed
) -> Work[list[Committed]]:
    """Run a conditional write: what became of each resource concerned; none where nothing was there to delete."""
    assert wanted.condition is not None
    _permitted(access, wanted.type, Method(wanted.method))
    if wanted.method in (Method.POST, Method.PUT):
        yield lock([wanted.condition])
    limit = most + 1 if wanted.method == Method.DELETE else 2
    matches = yield from match(access, wanted.condition, base=bases[0], limit=limit)
    targets = settle(wanted, matches, most)
    if isinstance(targets, Match):
        (shown,) = yield from existing(access, [(wanted.type, targets)])
        return [Committed(shown, created=False, changed=False)]
    if is_vain(wanted, targets):
        yield from record_vain(access, [wanted])
    return (yield from commit(access, [review(change_of(access, wanted, target, bases)) for target in targets]))


def create_if_none(access: AccessContext, type_name: str, body: bytes, condition: str) -> Wanted:
    """A create with If-None-Exist. Raises NotFound for an unknown type, Forbidden, or Invalid."""
    _permitted(access, type_name, Method.POST)
    asked = of_text(type_name, condition)
    return Wanted("POST", type_name, logical_id(), resource=_resource(body, type_name), condition=asked)


def update_where(
    access: AccessContext,
    type_name: str,
    params: Sequence[tuple[str, str]],
    body: bytes,
    if_match: int | None,
    *,
    only_new: bool,
) -> Wanted:
    """A conditional update. Raises NotFound for an unknown type, Forbidden, or Invalid."""
    _permitted(access, type_name, Method.PUT)
    resource = _resource(body, type_name)
    return Wanted(
        "PUT",
        type_name,
        body_id(resource),
        resource=resource,
        condition=of_params(type_name, params),
        if_match=if_match,
        if_none_match="*" if only_new else None,
    )


def patch_where(
    access: AccessContext,
    type_name: str,
    params: Sequence[tuple[str, str]],
    document: Callable[[], Steps],
    if_match: int | None,
) -> Wanted:
    """A conditional patch; `document` reads the patch. Raises NotFound for an unknown type, or Forbidden."""
    _permitted(access, type_name, Method.PATCH)
    return Wanted("PATCH", type_name, steps=document(), condition=of_params(type_name, params), if_match=if_match)


def delete_where(
    access: AccessContext, type_name: str, params: Sequence[tuple[str, str]], if_match: int | None
) -> Wanted:
    """A conditional delete. Raises NotFound for an unknown type, or Forbidden."""
    _permitted(access, type_name, Method.DELETE)
    return Wanted("DELETE", type_name, condition=of_params(type_name, params), if_match=if_match)


def _permitted(access: AccessContext, type_name: str, method: Method) -> None:
    known_type(type_name)
    permit(access, type_name, method)


def _resource(body: bytes, type_name: str) -> dict[str, Any]:
    resource = decode(body)
    of_type(resource, type_name)
    return resource


def existing(access: AccessContext, found: list[tuple[str, Match]]) -> Work[list[Stored]]:
    """What conditional creates have found, with its body for those who may read it."""
    if not found:
        return []
    read = yield from read_each([Ask(access, type_name, match.id) for type_name, match in found])
    return [
        Stored(type_name, match.id, match.version, match.updated, b"") if isinstance(seen, HealixError) else seen
        for (type_name, match), seen in zip(found, read, strict=True)
    ]
