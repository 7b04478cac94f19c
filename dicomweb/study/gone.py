"""What is answered of a study, series or instance that is not there: whether it was, for those who might see it then.

An instance that was rejected (IOCM) is answered as if it had never been; so is one that a security label restricted,
for nobody can tell any more who might see it.

Spec: PS3.18 8.5 and Table 10.4.3-1 (2024d): 410; IHE RAD TF-2 4.66.4.1.3, 4.107: rejected instances are 404
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, not_found
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

KEYS = {
    "StudyInstanceUID": "d.study_uid",
    "SeriesInstanceUID": "d.series_uid",
    "SOPInstanceUID": "d.instance_uid",
}


def missing(
    access: AccessContext, wanted: Mapping[str, Sequence[str]], permission: Permission = Permission.READ
) -> Work[HealixError]:
    """Why there is nothing with all the unique keys `wanted` for `access`: Gone or NotFound; one statement."""
    seen = access.represented("ImagingStudy", permission, "d.pat", "d.imaging_study")
    keys = [f"{column} = ANY(%s)" for keyword, column in KEYS.items() if keyword in wanted]
    values = [list(wanted[keyword]) for keyword in KEYS if keyword in wanted]
    rows = yield Statement(
        f"SELECT 1 FROM deleted_instance d WHERE {' AND '.join(keys)} AND d.code IS NULL AND NOT d.labelled"
        f" AND {seen.sql} LIMIT 1",
        (*values, *seen.params),
    )
    if rows:
        return HealixError(Category.GONE, "this study, series or instance was deleted")
    return not_found("there is no such study, series or instance")
