"""The statement that writes a group: studies, series, instances, counters, audit and outbox at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
import zstandard
from sqlalchemy import ARRAY, BigInteger, Integer, LargeBinary
from sqlalchemy.sql.type_api import TypeEngine

from dicomweb.events import study_changed
from dicomweb.index import tables
from dicomweb.index.attributes import Level
from dicomweb.index.columns import columns
from dicomweb.study.receive import Received
from healix_fhir.kernel import audit, outbox
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Statement

COMPRESSION = 3

_WRITE = """
WITH new_study AS (
       INSERT INTO study ({study}) SELECT {study_x} FROM unnest({study_arrays}) AS x ({study})
       ON CONFLICT (study_uid) DO NOTHING RETURNING pk, study_uid),
     in_study AS (
       SELECT pk, study_uid FROM new_study
       UNION SELECT pk, study_uid FROM study WHERE study_uid = ANY(%s)),
     new_series AS (
       INSERT INTO series (study_pk, {series})
       SELECT s.pk, {series_x} FROM unnest({series_arrays}) AS x (study_uid, {series}) JOIN in_study s USING (study_uid)
       ON CONFLICT (series_uid) DO NOTHING RETURNING pk, study_pk, series_uid, modality, instances_in_series),
     in_series AS (
       SELECT pk, study_pk, series_uid, modality FROM new_series
       UNION SELECT pk, study_pk, series_uid, modality FROM series WHERE series_uid = ANY(%s)),
     new_instance AS (
       INSERT INTO instance (series_pk, {instance})
       SELECT e.pk, {instance_x} FROM unnest({instance_arrays}) AS x (series_uid, {instance}) JOIN in_series e USING
       (series_uid) RETURNING series_pk, sop_class_uid),
     audited AS ({audit}),
     announced AS ({outbox})
SELECT e.study_pk, e.pk, count(*), array_agg(DISTINCT n.sop_class_uid), e.modality, bool_or(w.pk IS NOT NULL)
FROM new_instance n JOIN in_series e ON e.pk = n.series_pk LEFT JOIN new_series w ON w.pk = e.pk
GROUP BY e.study_pk, e.pk, e.modality"""

_COUNT = """
WITH added AS (
       SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::boolean[], %s::text[], %s::text[])
         AS x (study_pk, series_pk, instances, new, modality, sop_classes)),
     counted AS (
       UPDATE series e SET instances_in_series = e.instances_in_series + a.instances
       FROM added a WHERE e.pk = a.series_pk),
     total AS (
       SELECT study_pk, sum(instances) AS instances, count(*) FILTER (WHERE new) AS series,
              array_agg(modality) AS modalities, string_agg(sop_classes, ' ') AS sop_classes
       FROM added GROUP BY study_pk),
     summed AS (
       UPDATE study s SET
         instance_count = s.instance_count + t.instances,
         series_count = s.series_count + t.series,
         modalities = ARRAY(SELECT DISTINCT m FROM unnest(s.modalities || t.modalities) m WHERE m IS NOT NULL ORDER BY
         m), sop_classes = ARRAY(SELECT DISTINCT c FROM unnest(s.sop_classes || string_to_array(t.sop_classes, ' ')) c
         ORDER BY c), updated = now()
       FROM total t WHERE s.pk = t.study_pk)
SELECT pg_notify(%s, '')"""


def write(group: Sequence[Received], pats: Mapping[str, int | None], audits: Sequence[AuditRow]) -> Statement:
    """Insert the rows of `group`, all of which are new instances; `pats` is the patient of each study, where known.

    Returns one row for each series: study, series, instances added, their SOP classes, modality, whether it is new.
    """
    compressor = zstandard.ZstdCompressor(level=COMPRESSION)
    studies = {
        study: columns(one.header.attributes, Level.STUDY) | {"pat": pats[study]}
        for study, one in {one.study: one for one in reversed(group)}.items()
    }
    series = {
        uid: columns(one.header.attributes, Level.SERIES) | {"study_uid": one.study}
        for uid, one in {one.series: one for one in reversed(group)}.items()
    }
    instances = [
        columns(r.header.attributes, Level.INSTANCE)
        | {
            "series_uid": r.series,
            "transfer_syntax": r.transfer_syntax,
            "blob": r.key,
            "size": r.size,
            "digest": r.digest,
            "layout": msgspec.msgpack.encode(r.layout),
            "metadata": compressor.compress(r.header.metadata),
        }
        for r in group
    ]
    return Statement(
        _sql(),
        (
            *_arrays(_STUDY, list(studies.values())),
            list(studies),
            *_arrays(("study_uid", *_SERIES), list(series.values())),
            list(series),
            *_arrays(("series_uid", *_INSTANCE), instances),
            *audit.audit_params(audits),
            *outbox.outbox_params(study_changed(studies)),
        ),
    )


def count(added: Sequence[Sequence[Any]]) -> Statement:
    """Bring the counters up to date with what `write` returned, and wake the job worker."""
    return Statement(
        _COUNT,
        (
            [row[0] for row in added],
            [row[1] for row in added],
            [row[2] for row in added],
            [row[5] for row in added],
            [row[4] for row in added],
            [" ".join(row[3]) for row in added],
            outbox.CHANNEL,
        ),
    )


_COMPUTED = {
    "pk", "study_pk", "series_pk", "modalities", "sop_classes", "series_count", "instance_count", "updated",
    "instances_in_series", "stored",
}  # fmt: skip
_STUDY = tuple(column.name for column in tables.study.columns if column.name not in _COMPUTED)
_SERIES = tuple(column.name for column in tables.series.columns if column.name not in _COMPUTED)
_INSTANCE = tuple(column.name for column in tables.instance.columns if column.name not in _COMPUTED)
_TEXT_ARRAYS = tuple(
    column.name for table in (tables.study, tables.series) for column in table.columns if isinstance(column.type, ARRAY)
)
"""Columns that are arrays themselves: unnest flattens nested arrays, so they travel as JSON."""


def _arrays(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    return [
        [msgspec.json.encode(row[name]).decode() for row in rows]
        if name in _TEXT_ARRAYS
        else [row[name] for row in rows]
        for name in names
    ]


@cache
def _sql() -> str:
    types = {
        column.name: _array_type(column.type)
        for table in (tables.study, tables.series, tables.instance)
        for column in table.columns
    }

    def arrays(names: Sequence[str]) -> str:
        return ", ".join(f"%s::{types[name]}" for name in names)

    def given(names: Sequence[str]) -> str:
        return ", ".join(_from_json(name) if name in _TEXT_ARRAYS else f"x.{name}" for name in names)

    return _WRITE.format(
        study=", ".join(_STUDY), study_x=given(_STUDY), study_arrays=arrays(_STUDY),
        series=", ".join(_SERIES), series_x=given(_SERIES), series_arrays=arrays(("study_uid", *_SERIES)),
        instance=", ".join(_INSTANCE), instance_x=given(_INSTANCE), instance_arrays=arrays(("series_uid", *_INSTANCE)),
        audit=audit.INSERT, outbox=outbox.INSERT,
    )  # fmt: skip


def _from_json(name: str) -> str:
    return f"ARRAY(SELECT json_array_elements_text(x.{name}::json))"


def _array_type(kind: TypeEngine[Any]) -> str:
    if isinstance(kind, BigInteger):
        return "bigint[]"
    if isinstance(kind, Integer):
        return "int[]"
    return "bytea[]" if isinstance(kind, LargeBinary) else "text[]"
