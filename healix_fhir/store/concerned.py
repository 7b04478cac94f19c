"""Whose record a resource belongs to, whoever asks: for the audit trail alone, which tells of what was not shown."""

from __future__ import annotations

from healix_fhir.kernel.database import Fragment
from healix_fhir.model.definitions import TYPE_ID

_CONCERNED = """
SELECT k.id FROM resource r
CROSS JOIN LATERAL (SELECT r.pat UNION SELECT c.pat FROM compartment c WHERE c.pk = r.pk) p (pat)
JOIN patient_key k ON k.pat = p.pat
WHERE r.type = %s AND r.id = %s"""


def concerned(type_name: str, id_: str) -> Fragment:
    """A query for the logical ids of the patients in whose compartments a resource is; none where there is none."""
    return Fragment(_CONCERNED, (TYPE_ID[type_name], id_))
