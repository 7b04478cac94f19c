"""Vread: one version by its number.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#vread
"""

from __future__ import annotations

from healix_fhir.interaction.accept import known_id
from healix_fhir.kernel.audit import AUDIT_EVENT
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import not_found, unsupported
from healix_fhir.store import read as store
from healix_fhir.store.stored import Stored
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

DIGITS = 9  # more versions than a resource can have, and within PostgreSQL's integer


def vread(access: AccessContext, type_name: str, id_: str, version: str) -> Work[Stored]:
    """The version. Raises NotFound, Gone where that version is a deletion, or Forbidden."""
    known_id(type_name, id_)
    if type_name == AUDIT_EVENT:
        raise unsupported("AuditEvents have no versions: none of them ever changes")
    access.require(type_name, Permission.READ)
    if not (version.isascii() and version.isdecimal() and len(version) <= DIGITS):
        raise not_found(f"{type_name}/{id_} has no version {version[:64]}")
    return (yield from store.vread(access, type_name, id_, int(version)))
