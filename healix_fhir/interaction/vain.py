"""Conditional deletes that find nothing their caller may delete: answered like one that has deleted, and recorded.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#3.1.0.7.1, hl7.org/fhir/R4/security.html#audit
"""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work
from healix_fhir.search.match import Match
from healix_fhir.store.stored import Method
from smart_auth.access import AccessContext
from smart_auth.denial import REFUSED


def is_vain(wanted: Wanted, targets: object) -> bool:
    """Whether a write with these targets deletes nothing."""
    return wanted.method == Method.DELETE and not isinstance(targets, Match) and not targets


def record_vain(access: AccessContext, deletes: Sequence[Wanted]) -> Work[None]:
    """Record deletes that are `vain`, with what they asked for."""
    if deletes:
        yield record(
            [
                AuditRow(access.origin, "D", "delete", REFUSED, entity=one.type, query=str(one.condition))
                for one in deletes
            ]
        )
