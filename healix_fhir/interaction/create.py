"""Create: a new resource under an id that the server makes; an id in the body is ignored.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#create
"""

from __future__ import annotations

from healix_fhir.interaction.accept import changing, known_type, of_type
from healix_fhir.kernel.ids import logical_id
from healix_fhir.kernel.in_step import Stages
from healix_fhir.model.json import decode
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext
from smart_auth.scope import Permission


def create(access: AccessContext, type_name: str, body: bytes, bases: tuple[str, ...]) -> Stages[Change]:
    """Make the change to commit. Raises NotFound for an unknown type, Forbidden, or Invalid."""
    known_type(type_name)
    access.require(type_name, Permission.CREATE)
    resource = decode(body)
    of_type(resource, type_name)
    yield
    return (yield from changing(Method.POST, resource, type_name, logical_id(), bases))
