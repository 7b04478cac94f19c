"""The short statement for further objects of series that are there, as most are that come.

It counts up rows of studies and series, and makes none. So it need not be told of what, and its plan has fewer nodes
than that of dicomweb/study/rows.py. Where anything is not as expected it writes nothing, and leaves the group to
`store` in dicomweb/study/store.py: a study that went or was relabelled, a series that belongs to another, an instance
that is there or was rejected, a patient who is closed to the caller.

Which series are worth the attempt, each process remembers. A wrong memory costs the attempt, and nothing else.

Spec: PostgreSQL 15, INSERT … ON CONFLICT: the row that is counted up is locked, and counted from its newest version
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from psycopg.errors import DivisionByZero, UniqueViolation

from dicomweb.events import ANNOUNCE
from dicomweb.index import tables
from dicomweb.index.attributes import Level
from dicomweb.index.columns import columns
from dicomweb.study.receive import Received
from dicomweb.study.rows import (
    AUDITED,
    SAME_PATIENT,
    LostRaceError,
    further_values,
    given_columns,
    instance_row,
    trail,
    united,
)
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Statement, Work
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

MOST = 4096
_there: set[str] = set()
"""Series that this process has stored in."""

# Rows are locked in the order of their UIDs, as in dicomweb/study/rows.py: two writers never wait for each other.
# LATERAL with LIMIT, and OFFSET, keep each look-up an index probe, also in a plan that was made while the tables were
# empty; ON CONFLICT is one.
_WRITE = """
WITH given AS MATERIALIZED (
       SELECT x.*
       FROM json_to_recordset(%s::json) AS x (series_uid text, instances int, study_uid text, patient_id text,
         patient_id_issuer text, leads bool, study_instances int, sop_classes text[])
       CROSS JOIN LATERAL (SELECT e.study_pk FROM series e WHERE e.series_uid = x.series_uid LIMIT 1) e
       CROSS JOIN LATERAL (SELECT * FROM study s WHERE s.study_uid = x.study_uid LIMIT 1) s
       WHERE e.study_pk = s.pk AND {same} AND ({allowed})),
     given_instance AS MATERIALIZED (
       SELECT x.*
       FROM json_to_recordset(%s::json) AS x ({instance_types}, series_uid text)
       WHERE NOT EXISTS (SELECT FROM instance i WHERE i.instance_uid = x.instance_uid OFFSET 0)
         AND NOT EXISTS (SELECT FROM rejected_instance r WHERE r.instance_uid = x.instance_uid OFFSET 0)),
     written_study AS (
       INSERT INTO study AS s (study_uid, patient_id, patient_id_issuer, instance_count, sop_classes)
       SELECT x.study_uid, x.patient_id, x.patient_id_issuer, x.study_instances, x.sop_classes
       FROM given x
       WHERE x.leads AND (SELECT count(*) FROM given) = %s AND (SELECT count(*) FROM given_instance) = %s
       ORDER BY x.study_uid
       ON CONFLICT (study_uid) DO UPDATE SET
         instance_count = s.instance_count + excluded.instance_count,
         sop_classes = {sop_classes},
         updated = now()
       WHERE {still_same}
       RETURNING s.pk, s.study_uid, s.pat, s.xmax = 0 AS made),
     written_series AS (
       INSERT INTO series AS e (series_uid, study_pk, instances_in_series)
       SELECT x.series_uid, s.pk, x.instances
       FROM given x JOIN written_study s USING (study_uid) ORDER BY x.series_uid
       ON CONFLICT (series_uid) DO UPDATE SET instances_in_series = e.instances_in_series + excluded.instances_in_series
       WHERE e.study_pk = excluded.study_pk
       RETURNING e.pk, e.series_uid, e.xmax = 0 AS made),
     written_instance AS (
       INSERT INTO instance ({instance}, series_pk)
       SELECT {instance_x}, e.pk FROM given_instance x JOIN written_series e USING (series_uid)
       RETURNING pk, instance_uid),{further}
     audited AS ({audit}),
     announced AS ({announce})
SELECT count(*), 1 / (NOT EXISTS (SELECT FROM written_study) OR (
  count(*) = %s
  AND NOT EXISTS (SELECT FROM written_study WHERE made) AND NOT EXISTS (SELECT FROM written_series WHERE made)))::int
FROM written_instance"""
"""The last line divides by zero where another transaction came between, so that nothing half-written stays."""

_FURTHER = """
     further_written AS (
       INSERT INTO instance_further (pk, code, item, place, value, number)
       SELECT w.pk, x.code, x.item, x.place, x.value, x.number
       FROM json_to_recordset(%s::json)
         AS x (level int, uid text, code int, item text, place int, value text, number float8)
       JOIN written_instance w ON w.instance_uid = x.uid),"""
"""The further attributes of the instances: those of study and series stay those of their first object."""


def are_there(group: Sequence[Received]) -> bool:
    """Whether this process believes that all series of `group` are there."""
    return _there.issuperset(one.series for one in group)


def remember(group: Sequence[Received]) -> None:
    """The series of `group` are there."""
    if len(_there) > MOST:
        _there.clear()
    _there.update(one.series for one in group)


def forget() -> None:
    """Know of no series: tests have one database after the other."""
    _there.clear()


def extend(access: AccessContext, group: Sequence[Received], source: str, origins: Sequence[Origin]) -> Work[bool]:
    """As `write` in dicomweb/study/rows.py, for a group whose studies and series are there; else False, and the series
    are forgotten.
    """
    allowed = access.represented("ImagingStudy", Permission.CREATE, "s.pat", "s.imaging_study")
    given = _given(group)
    values = [value for value in further_values(group) if value["level"] == Level.INSTANCE]
    try:
        rows = yield Statement(
            _sql(allowed.sql, bool(values)),
            (
                msgspec.json.encode(given).decode(),
                *allowed.params,
                msgspec.json.encode([instance_row(one) for one in group]).decode(),
                len(given),
                len(group),
                *([msgspec.json.encode(values).decode()] if values else []),
                *trail(group, source, origins),
                len(group),
            ),
        )
    except (UniqueViolation, DivisionByZero) as error:
        raise LostRaceError from error
    if not rows[0][0]:
        _there.difference_update(one.series for one in group)
    return bool(rows[0][0])


def _given(group: Sequence[Received]) -> list[dict[str, Any]]:
    """A row for each series; the first one of a study has what is counted of that."""
    studies: dict[str, dict[str, list[Received]]] = {}
    for one in sorted(group, key=lambda one: (one.study, one.series)):
        studies.setdefault(one.study, {}).setdefault(one.series, []).append(one)
    rows: list[dict[str, Any]] = []
    for study, series in studies.items():
        members = [one for each in series.values() for one in each]
        row = columns(members[0].header.attributes, Level.STUDY)
        of_study = {
            "leads": True,
            "study_instances": len(members),
            "sop_classes": sorted({one.sop_class for one in members}),
        }
        for uid, each in series.items():
            rows.append(
                {
                    "series_uid": uid,
                    "instances": len(each),
                    "study_uid": study,
                    "patient_id": row["patient_id"],
                    "patient_id_issuer": row["patient_id_issuer"],
                    **of_study,
                }
            )
            of_study = {}
    return rows


@cache
def _sql(allowed: str, further: bool) -> str:
    return _WRITE.format(
        **given_columns(tables.instance),
        same=SAME_PATIENT.format(s="s", x="x"),
        still_same=SAME_PATIENT.format(s="s", x="excluded"),
        allowed=allowed,
        sop_classes=united("sop_classes"),
        further=_FURTHER if further else "",
        audit=AUDITED,
        announce=ANNOUNCE.format(source="written_study"),
    )
