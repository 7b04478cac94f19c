"""Reading the anatomic regions of series that were stored before they were kept: a durable job, batch by batch.

A series whose region was not read has none in its row, so each batch takes the next of those, in a transaction of its
own, and a job that was cut off is taken up again. It looks when a job worker starts, and every hour: processes of the
version before write such rows while they are being replaced. Each study of which a region was read is announced, since
its ImagingStudy says it, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import zstandard
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.events import study_changed
from dicomweb.index.regions import UNREAD, Region, named, region
from healix_fhir.kernel.database import Row, Statement, Work, transaction
from healix_fhir.kernel.jobs import enqueue
from healix_fhir.kernel.outbox import publish

TASK = "studies.regions"
LOCK = "studies.regions"
BATCH = 200

# Who stores locks a study before its series; the rows that this would wait for are left for later.
_NEXT = """
SELECT e.pk, s.study_uid, e.body_part, e.laterality,
       (SELECT i.metadata FROM instance i WHERE i.series_pk = e.pk ORDER BY i.pk LIMIT 1)
FROM series e JOIN study s ON s.pk = e.study_pk WHERE e.region_code IS NULL LIMIT %s
FOR NO KEY UPDATE OF e SKIP LOCKED"""

_KEEP = """
UPDATE series e SET region_code = x.region_code, region_scheme = x.region_scheme, region_meaning = x.region_meaning
FROM json_to_recordset(%s::json) AS x (pk bigint, region_code text, region_scheme text, region_meaning text)
WHERE e.pk = x.pk"""


def declare() -> Work[bool]:
    """Whether regions are to be read; then a job is enqueued with the caller's transaction."""
    rows = yield Statement(UNREAD)
    if rows[0][0]:
        yield enqueue(TASK, lock=LOCK)
    return bool(rows[0][0])


def read(pool: ConnectionPool[Connection[Row]]) -> Iterator[int]:
    """Read all that is left, in transactions of their own; how many series each took."""
    while done := transaction(pool, batch):
        yield done


def batch() -> Work[int]:
    """Read the regions of the next series, and how many there were."""
    rows = yield Statement(_NEXT, (BATCH,))
    found = [(pk, study, _region(*said)) for pk, study, *said in rows]
    if found:
        kept = [{"pk": pk} | named(one) for pk, _, one in found]
        yield Statement(_KEEP, (msgspec.json.encode(kept).decode(),))
        yield from _announced([study for _, study, one in found if one.code])
    return len(found)


def _announced(studies: Sequence[str]) -> Work[None]:
    if studies:
        yield publish(study_changed(studies))


def _region(body_part: str | None, laterality: str | None, metadata: bytes | None) -> Region:
    members = msgspec.json.decode(zstandard.ZstdDecompressor().decompress(metadata)) if metadata is not None else {}
    return region(members, body_part, laterality)
