"""Read: what must hold before the store is asked, and whether its answer is news to the caller.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#read, #cread
"""

from __future__ import annotations

import re
from datetime import datetime

from healix_fhir.interaction.accept import known_id
from healix_fhir.store.read import Ask
from healix_fhir.store.stored import Stored
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

TAG = re.compile(r'(?:W/)?"([0-9]{1,9})"')


def read(access: AccessContext, type_name: str, id_: str) -> Ask:
    """What to ask the store for. Raises NotFound for an unknown type or impossible id, or Forbidden."""
    known_id(type_name, id_)
    access.require(type_name, Permission.READ)
    return Ask(access, type_name, id_)


def has_already(stored: Stored, if_none_match: str | None, if_modified_since: datetime | None) -> bool:
    """Whether the caller has this version already; If-None-Match wins over If-Modified-Since (RFC 9110 13.2.2)."""
    if if_none_match is not None:
        return if_none_match.strip() == "*" or str(stored.version) in TAG.findall(if_none_match)
    return if_modified_since is not None and stored.updated.replace(microsecond=0) <= if_modified_since
