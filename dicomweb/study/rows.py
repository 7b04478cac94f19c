"""The statement that writes a group: studies, series, instances, counters, audit and outbox at once, or nothing.

It inserts what is new and counts up what is there, so that the usual case, a further object of a study that is being
sent, costs one statement. What stands against the group (see dicomweb/study/decide.py) makes it write nothing; why, is
for the caller to find out. Rows travel as JSON, one parameter for each level: measured on groups of one to four, half
the time of an array for each column.

Spec: PostgreSQL 15, INSERT … ON CONFLICT: the row that is counted up is locked, and counted from its newest version
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
import zstandard
from psycopg.errors import DivisionByZero, SerializationFailure, UniqueViolation
from sqlalchemy import ARRAY, BigInteger, Integer, LargeBinary, Table
from sqlalchemy.sql.type_api import TypeEngine

from dicomweb.events import ANNOUNCE
from dicomweb.index import tables
from dicomweb.index.attributes import Level
from dicomweb.index.columns import columns
from dicomweb.study.decide import by_study
from dicomweb.study.receive import Received
from healix_fhir.kernel import audit
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Statement, Work
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

COMPRESSION = 3
SMALL = 64 << 10
"""Bytes of metadata up to which a compressor is kept for the next: its memory is as large as what it had to do."""
_compressors: deque[zstandard.ZstdCompressor] = deque(maxlen=4)
"""Those that nobody uses: to make one takes ten times as long as to compress the metadata of an image."""

SAME_PATIENT = """{s}.patient_id IS NOT DISTINCT FROM {x}.patient_id
                   AND {s}.patient_id_issuer IS NOT DISTINCT FROM {x}.patient_id_issuer"""

# LATERAL with LIMIT keeps each look-up an index probe, also in a plan that was made while the tables were empty.
_WRITE = """
WITH given_study AS MATERIALIZED (
       SELECT x.*, s.pk, s.imaging_study, CASE WHEN s.pk IS NULL THEN coalesce(%s::bigint, p.pat) ELSE s.pat END AS pat,
              s.pk IS NULL OR {same} AS same
       FROM json_to_recordset(%s::json) AS x ({study_types}, instances int, sop_classes text[])
       LEFT JOIN LATERAL (SELECT * FROM study s WHERE s.study_uid = x.study_uid LIMIT 1) s ON true
       LEFT JOIN LATERAL (
         SELECT * FROM study_patient p
         WHERE p.patient_id = coalesce(x.patient_id, '') AND p.issuer = coalesce(x.patient_id_issuer, '') LIMIT 1
       ) p ON true),
     given_series AS MATERIALIZED (
       SELECT x.*, e.pk, e.study_pk
       FROM json_to_recordset(%s::json) AS x ({series_types}, study_uid text, instances int)
       LEFT JOIN LATERAL (SELECT * FROM series e WHERE e.series_uid = x.series_uid LIMIT 1) e ON true),
     given_instance AS MATERIALIZED (
       SELECT x.*, i.pk
       FROM json_to_recordset(%s::json) AS x ({instance_types}, series_uid text)
       LEFT JOIN LATERAL (SELECT i.pk FROM instance i WHERE i.instance_uid = x.instance_uid LIMIT 1) i ON true),
     given_further AS MATERIALIZED (
       SELECT * FROM json_to_recordset(%s::json)
         AS x (level int, uid text, code int, item text, place int, value text, number float8)),
     sound AS MATERIALIZED (
       SELECT WHERE NOT EXISTS (SELECT FROM given_study s WHERE NOT s.same OR ({allowed}) IS NOT TRUE)
         AND NOT EXISTS (SELECT FROM given_series e JOIN given_study s USING (study_uid)
                         WHERE e.pk IS NOT NULL AND e.study_pk IS DISTINCT FROM s.pk)
         AND NOT EXISTS (SELECT FROM given_instance WHERE pk IS NOT NULL)
         AND NOT EXISTS (SELECT FROM given_instance x CROSS JOIN LATERAL (
                         SELECT FROM rejected_instance r WHERE r.instance_uid = x.instance_uid LIMIT 1) r)),
     growing AS (
       SELECT x.study_uid, count(*) AS series, coalesce(array_agg(DISTINCT x.modality) FILTER (
         WHERE x.modality IS NOT NULL), '{{}}') AS modalities
       FROM given_series x WHERE x.pk IS NULL GROUP BY x.study_uid),
     written_study AS (
       INSERT INTO study AS s ({study}, pat, instance_count, sop_classes, series_count, modalities)
       SELECT {study_x}, x.pat, x.instances, x.sop_classes, coalesce(g.series, 0), coalesce(g.modalities, '{{}}')
       FROM sound, given_study x LEFT JOIN growing g USING (study_uid) ORDER BY x.study_uid
       ON CONFLICT (study_uid) DO UPDATE SET
         instance_count = s.instance_count + excluded.instance_count,
         series_count = s.series_count + excluded.series_count,
         modalities = {modalities},
         sop_classes = {sop_classes},
         updated = now()
       WHERE {still_same}
       RETURNING s.pk, s.study_uid, s.pat, s.xmax = 0 AS made),
     written_series AS (
       INSERT INTO series AS e ({series}, study_pk, instances_in_series)
       SELECT {series_x}, s.pk, x.instances
       FROM given_series x JOIN written_study s USING (study_uid) ORDER BY x.series_uid
       ON CONFLICT (series_uid) DO UPDATE SET instances_in_series = e.instances_in_series + excluded.instances_in_series
       WHERE e.study_pk = excluded.study_pk
       RETURNING e.pk, e.series_uid, e.xmax = 0 AS made),
     written_instance AS (
       INSERT INTO instance ({instance}, series_pk)
       SELECT {instance_x}, e.pk FROM given_instance x JOIN written_series e USING (series_uid)
       RETURNING pk, instance_uid),{further}
     audited AS ({audit}),
     announced AS ({announce})
SELECT w.instances, 1 / (w.studies = 0 OR (w.instances = g.instances AND w.series = g.series))::int
FROM (SELECT (SELECT count(*) FROM written_study) AS studies,
             (SELECT count(*) FILTER (WHERE made) FROM written_series) AS series,
             (SELECT count(*) FROM written_instance) AS instances) w,
     (SELECT (SELECT count(*) FROM given_instance) AS instances,
             (SELECT coalesce(sum(series), 0) FROM growing) AS series) g"""
"""The last line divides by zero where another transaction came between, so that nothing half-written stays."""

_FURTHER = """
     {level}_further_written AS (
       INSERT INTO {level}_further (pk, code, item, place, value, number)
       SELECT w.pk, x.code, x.item, x.place, x.value, x.number
       FROM given_further x JOIN written_{level} w ON w.{level}_uid = x.uid WHERE x.level = {number}{new}),"""
"""The further attributes of what is new: a study and a series have those of their first object."""

_AUDIT = """
SELECT NULL::timestamptz AS r, 'C' AS a, %s::text AS s, 0::smallint AS o, x.client AS c, x.account AS u,
       x.address AS d, x.request AS q, k.id AS p, s.study_uid AS e, x.query AS t
FROM written_study s
JOIN json_to_recordset(%s::json)
  AS x (study_uid text, query text, client text, account text, address text, request text) USING (study_uid)
LEFT JOIN patient_key k ON k.pat = s.pat"""
AUDITED = audit.insert(f"({_AUDIT}) x")
"""The statement that writes the trail of `written_study`, with the parameters of `trail`."""


def trail(group: Sequence[Received], source: str, origins: Sequence[Origin]) -> tuple[str, str]:
    """By which service, and a row for each study and each of those who stored in it: who sent each object."""
    members: dict[tuple[str, Origin], list[str]] = {}
    for one, origin in zip(group, origins, strict=True):
        members.setdefault((one.study, origin), []).append(one.sop_instance)
    rows = [
        {
            "study_uid": study,
            "query": audited(instances),
            "client": origin.client,
            "account": origin.account,
            "address": origin.address,
            "request": origin.request,
        }
        for (study, origin), instances in members.items()
    ]
    return source, msgspec.json.encode(rows).decode()


class LostRaceError(SerializationFailure):
    """Another transaction stored in the same study meanwhile, or took it away."""


def write(access: AccessContext, group: Sequence[Received], source: str, origins: Sequence[Origin]) -> Work[bool]:
    """Write the rows of `group`, which is at peace with itself; whether they were, or something stands against them.

    One statement that needs no transaction around it. `source` names the service for the audit trail, `origins` who
    sent each object. Raises SerializationFailure when another transaction came between.
    """
    allowed = access.represented("ImagingStudy", Permission.CREATE, "s.pat", "s.imaging_study")
    values = further_values(group)
    try:
        rows = yield Statement(
            _sql(allowed.sql, bool(values)),
            (
                access.pat if access.project is not None else None,  # copies are their project's
                msgspec.json.encode(_studies(group)).decode(),
                msgspec.json.encode(_series(group)).decode(),
                msgspec.json.encode([instance_row(one) for one in group]).decode(),
                msgspec.json.encode(values).decode(),
                *allowed.params,
                *trail(group, source, origins),
            ),
        )
    except (UniqueViolation, DivisionByZero) as error:
        raise LostRaceError from error
    return bool(rows[0][0])


def audited(members: Sequence[str]) -> str:
    """What the audit trail names of the instances of one study: a lone one, else how many."""
    return members[0] if len(members) == 1 else f"{len(members)} instances"


def _studies(group: Sequence[Received]) -> list[dict[str, Any]]:
    members: dict[str, list[Received]] = {}
    for one in group:
        members.setdefault(one.study, []).append(one)
    return [
        columns(first.header.attributes, Level.STUDY)
        | {
            "instances": len(members[study]),
            "sop_classes": sorted({one.sop_class for one in members[study]}),
        }
        for study, first in by_study(group).items()
    ]


def _series(group: Sequence[Received]) -> list[dict[str, Any]]:
    counts = Counter(one.series for one in group)
    return [
        _jsonable(columns(first.header.attributes, Level.SERIES)) | {"study_uid": first.study, "instances": counts[uid]}
        for uid, first in {one.series: one for one in reversed(group)}.items()
    ]


def instance_row(one: Received) -> dict[str, Any]:
    """The columns of an instance, as JSON takes them, and its series."""
    return _jsonable(
        columns(one.header.attributes, Level.INSTANCE)
        | {
            "series_uid": one.series,
            "transfer_syntax": one.transfer_syntax,
            "blob": one.key,
            "size": one.size,
            "digest": one.digest,
            "layout": msgspec.msgpack.encode(one.layout),
            "source": one.source,
            "via": one.via or None,
            "metadata": _compressed(one.header.metadata),
        }
    )


def _compressed(metadata: bytes) -> bytes:
    try:
        compressor = _compressors.pop()
    except IndexError:
        compressor = zstandard.ZstdCompressor(level=COMPRESSION)
    compressed = compressor.compress(metadata)
    if len(metadata) <= SMALL:
        _compressors.append(compressor)
    return compressed


def further_values(group: Sequence[Received]) -> list[dict[str, Any]]:
    """The values of further attributes: of the instances, and of the first of each series and study."""
    found: list[dict[str, Any]] = []
    there: set[str] = set()
    for one in group:
        uids = {Level.STUDY: one.study, Level.SERIES: one.series, Level.INSTANCE: one.sop_instance}
        found += [
            value._asdict() | {"uid": uid} for value in one.further if (uid := uids[Level(value.level)]) not in there
        ]
        there.update(uids.values())
    return found


def _jsonable(row: dict[str, Any]) -> dict[str, Any]:
    """`row` with bytes as PostgreSQL reads them from text."""
    return {name: "\\x" + value.hex() if isinstance(value, bytes) else value for name, value in row.items()}


_COMPUTED = {
    "pk", "pat", "patient_made", "imaging_study", "study_pk", "series_pk", "modalities", "sop_classes", "series_count",
    "instance_count", "updated", "instances_in_series", "stored",
}  # fmt: skip


@cache
def _sql(allowed: str, further: bool) -> str:
    """The statement for callers whose access is the condition `allowed`; with `further` attributes, or without."""
    return _WRITE.format(
        **given_columns(tables.study),
        **given_columns(tables.series),
        **given_columns(tables.instance),
        same=SAME_PATIENT.format(s="s", x="x"),
        still_same=SAME_PATIENT.format(s="s", x="excluded"),
        allowed=allowed,
        modalities=united("modalities"),
        sop_classes=united("sop_classes"),
        further="".join(
            _FURTHER.format(level=level.name.lower(), number=level, new=" AND w.made" if level < Level.INSTANCE else "")
            for level in Level
            if further
        ),
        audit=AUDITED,
        announce=ANNOUNCE.format(source="written_study"),
    )


def given_columns(table: Table) -> dict[str, str]:
    """What objects give of a table: its columns, those of a relation `x`, and their types; the keys begin with its
    name.
    """
    given = {column.name: _type(column.type) for column in table.columns if column.name not in _COMPUTED}
    return {
        table.name: ", ".join(given),
        f"{table.name}_x": ", ".join(f"x.{name}" for name in given),
        f"{table.name}_types": ", ".join(f"{name} {kind}" for name, kind in given.items()),
    }


def united(column: str) -> str:
    """A set kept as a sorted array, with the members of another: as it is in the usual case that it has them all."""
    return (
        f"CASE WHEN s.{column} @> excluded.{column} THEN s.{column} ELSE"
        f" ARRAY(SELECT DISTINCT u FROM unnest(s.{column} || excluded.{column}) u ORDER BY u) END"
    )


def _type(kind: TypeEngine[Any]) -> str:
    if isinstance(kind, ARRAY):
        return f"{_type(kind.item_type)}[]"
    if isinstance(kind, BigInteger):
        return "bigint"
    if isinstance(kind, Integer):
        return "int"
    return "bytea" if isinstance(kind, LargeBinary) else "text"
