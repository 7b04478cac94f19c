"""Read: what must hold before the store is asked.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#read
"""

from __future__ import annotations

from healix_fhir.interaction.accept import known_id
from healix_fhir.store.read import Ask
from smart_auth.access import AccessContext
from smart_auth.scope import Permission


def read(access: AccessContext, type_name: str, id_: str) -> Ask:
    """What to ask the store for. Raises NotFound for an unknown type or impossible id, or Forbidden."""
    known_id(type_name, id_)
    access.require(type_name, Permission.READ)
    return Ask(access, type_name, id_)
