"""Update: a new version, or a new resource under the caller's id.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#update, #upsert
"""

from __future__ import annotations

import msgspec

from healix_fhir.interaction.accept import changing, known_type, of_type, with_id
from healix_fhir.kernel.errors import Category, invalid
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.kernel.in_step import Stages
from healix_fhir.model.json import decode
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext
from smart_auth.scope import Permission


def update(
    access: AccessContext,
    type_name: str,
    id_: str,
    body: bytes,
    bases: tuple[str, ...],
    if_match: int | None,
    *,
    only_new: bool = False,
) -> Stages[Change]:
    """Make the change to commit; with `only_new` (If-None-Match: *) it makes nothing but a new resource.

    Raises NotFound for an unknown type, Forbidden, or Invalid.
    """
    known_type(type_name)
    access.require(type_name, Permission.UPDATE)
    if not is_logical_id(id_):
        raise invalid("an id has 1 to 64 letters, digits, '-' and '.'", code="value", expression=("Resource.id",))
    resource = decode(body)
    of_type(resource, type_name)
    with_id(resource, id_)
    yield
    made = yield from changing(Method.PUT, resource, type_name, id_, bases, if_match)
    return msgspec.structs.replace(made, if_absent=Category.PRECONDITION_FAILED) if only_new else made
