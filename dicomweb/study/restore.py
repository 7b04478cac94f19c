"""Bringing deleted instances back, as they were; and which there are to be brought back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache

import msgspec
from sqlalchemy import Table

from dicomweb.index import tables
from dicomweb.study.delete import after
from dicomweb.study.indexing import STUDY_TASK
from dicomweb.uid import check_uid
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, not_found
from healix_fhir.kernel.jobs import enqueue
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

WORD = "restore-instances"
LISTED = 1000


class Deletion(msgspec.Struct, frozen=True):
    """Instances of a study that went for one reason."""

    study: str
    patient: str | None
    instances: int
    size: int
    deleted: datetime
    """When the last of them went."""
    account: str | None
    code: str | None


def deletions(access: AccessContext) -> Work[list[Deletion]]:
    """What was deleted and can be restored, the newest first; at most `LISTED` studies. Audited."""
    access.require_whole("ImagingStudy", Permission.SEARCH, "the list of deleted studies")
    seen = access.represented("ImagingStudy", Permission.SEARCH, "d.pat", "d.imaging_study")
    rows = yield Statement(
        f"""SELECT d.study_uid, max(k.id), count(*)::int, sum((d.instance ->> 'size')::bigint)::bigint, max(d.deleted),
              d.account, d.code
            FROM deleted_instance d LEFT JOIN patient_key k ON k.pat = d.pat
            WHERE d.code IS DISTINCT FROM 'relabelled' AND {seen.sql}
            GROUP BY d.study_uid, d.account, d.code ORDER BY max(d.deleted) DESC, d.study_uid LIMIT %s""",
        (*seen.params, LISTED),
    )
    yield record([AuditRow(access.origin, "E", "query-deleted")])
    return [Deletion(*row) for row in rows]


_FIND = """
SELECT d.pk, k.id, s.pk IS NOT NULL AND (
         s.patient_id IS DISTINCT FROM d.study ->> 'patient_id'
         OR s.patient_id_issuer IS DISTINCT FROM d.study ->> 'patient_id_issuer')
FROM deleted_instance d LEFT JOIN patient_key k ON k.pat = d.pat LEFT JOIN study s ON s.study_uid = d.study_uid
WHERE {conditions} AND d.code IS DISTINCT FROM 'relabelled' ORDER BY d.pk FOR UPDATE OF d"""

_STUDY = """
INSERT INTO study ({names}) OVERRIDING SYSTEM VALUE SELECT {values}
FROM (SELECT d.study FROM deleted_instance d WHERE d.pk = ANY(%s) ORDER BY d.pk DESC LIMIT 1) d,
     json_populate_record(NULL::study, d.study) x
ON CONFLICT (study_uid) DO UPDATE SET updated = now()"""
"""Also locks the study where it is there already."""

_SERIES = """
INSERT INTO series ({names}, study_pk) OVERRIDING SYSTEM VALUE SELECT {values}, s.pk
FROM (SELECT DISTINCT ON (d.series_uid) d.series, d.study_uid FROM deleted_instance d WHERE d.pk = ANY(%s)
      ORDER BY d.series_uid, d.pk DESC) d JOIN study s ON s.study_uid = d.study_uid,
     json_populate_record(NULL::series, d.series) x
ON CONFLICT (series_uid) DO NOTHING"""

_INSTANCES = """
WITH newest AS (
       SELECT DISTINCT ON (d.instance_uid) d.pk, d.instance, e.pk AS series_pk
       FROM deleted_instance d JOIN series e ON e.series_uid = d.series_uid
       JOIN study s ON s.pk = e.study_pk AND s.study_uid = d.study_uid
       WHERE d.pk = ANY(%s) AND NOT EXISTS (SELECT FROM instance i WHERE i.instance_uid = d.instance_uid)
       ORDER BY d.instance_uid, d.pk DESC),
     back AS (
       INSERT INTO instance ({names}, series_pk) OVERRIDING SYSTEM VALUE SELECT {values}, n.series_pk
       FROM newest n, json_populate_record(NULL::instance, n.instance) x RETURNING instance_uid),
     gone AS (DELETE FROM deleted_instance d USING newest n WHERE d.pk = n.pk),
     allowed AS (
       DELETE FROM rejected_instance r USING back b WHERE r.instance_uid = b.instance_uid)
SELECT instance_uid FROM back"""


def restore(
    access: AccessContext, study: str, series: str | None = None, instance: str | None = None
) -> Work[list[str]]:
    """Bring back what was deleted of a study, a series or an instance; the SOP Instance UIDs that came, audited.

    What was stored again meanwhile stays as it is; what a note had rejected may be stored again from then on. The study
    is closed to everyone but `system` until the bridge has found its patient and its labels again. Raises Invalid,
    Forbidden, NotFound when nothing is kept, Conflict when all of it was stored again.
    """
    asked = ((study, "study_uid"), (series, "series_uid"), (instance, "instance_uid"))
    access.require_whole("ImagingStudy", Permission.CREATE, "restoring")
    keys = [Fragment(f"d.{name} = %s", (check_uid(uid, name),)) for uid, name in asked if uid is not None]
    parts = [*keys, access.represented("ImagingStudy", Permission.CREATE, "d.pat", "d.imaging_study")]
    rows = yield Statement(
        _FIND.format(conditions=" AND ".join(part.sql for part in parts)),
        tuple(param for part in parts for param in part.params),
    )
    if not rows:
        raise not_found("there is no such deleted study, series or instance")
    if any(relabelled for *_, relabelled in rows):
        raise HealixError(Category.CONFLICT, "the study has another PatientID by now; take that change back first")
    found = yield from put_back(study, [row[0] for row in rows])
    if not found:
        raise HealixError(Category.CONFLICT, "what was deleted has been stored again meanwhile")
    yield from after(access, study, rows[0][1], found, action="C", word=WORD)
    return found


def put_back(study: str, kept: Sequence[int]) -> Work[list[str]]:
    """Bring back the rows of a study that are kept under these keys; the SOP Instance UIDs that came. The caller checks
    that it may be, counts, audits and tells of it.
    """
    chosen = (list(kept),)
    yield Statement(_STUDY.format(**_columns(tables.study)), chosen)
    yield Statement(_SERIES.format(**_columns(tables.series)), chosen)
    back = yield Statement(_INSTANCES.format(**_columns(tables.instance)), chosen)
    yield enqueue(STUDY_TASK, {"study": study})
    return [uid for (uid,) in back]


_PARENTS = frozenset({"study_pk", "series_pk"})
_UNMATCHED = frozenset({"pat"})


@cache
def _columns(table: Table) -> dict[str, str]:
    """The columns of a table but for its parent's key, and their values from a kept row `x`.

    One that came with a later version has its default; the patient is for the bridge to find.
    """
    values: dict[str, str] = {}
    for column in table.columns:
        default = getattr(column.server_default, "arg", None)
        if column.name in _UNMATCHED:
            values[column.name] = "NULL::bigint"
        elif column.name not in _PARENTS:
            values[column.name] = (
                f"x.{column.name}"
                if default is None or column.nullable
                else f"coalesce(x.{column.name}, {_sql(default)})"
            )
    return {"names": ", ".join(values), "values": ", ".join(values.values())}


def _sql(default: object) -> str:
    return f"'{default}'" if isinstance(default, str) else str(default)
