"""Delete: idempotent; what is not there, or not for the caller to see, is deleted already.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#delete
"""

from __future__ import annotations

from healix_fhir.interaction.accept import known_id
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext
from smart_auth.scope import Permission


def delete(access: AccessContext, type_name: str, id_: str, if_match: int | None) -> Change:
    """The change to commit. Raises NotFound for an unknown type or impossible id, or Forbidden."""
    known_id(type_name, id_)
    access.require(type_name, Permission.DELETE)
    return Change(Method.DELETE, type_name, id_, if_match=if_match)
