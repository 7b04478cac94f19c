"""Whether each blob still is what was stored: there, and of the digest that was recorded when it came.

A run goes over all instances by their keys and commits how far it is, so that it goes on after a kill; it reads no
faster than it is told to, and works for a slice of time, so that other jobs come to their turn. What is damaged is
named until it is whole again. A blob with a copy in the other tier that is whole is repaired from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum

import msgspec
from psycopg import Connection
from xxhash import xxh3_128

from dicomweb.archive.blobs import Archive
from dicomweb.archive.tiered import TieredArchive
from dicomweb.dicomjson.part10 import META_LIMIT, read_meta
from healix_fhir.kernel.database import Row, Statement, Work, run
from healix_fhir.kernel.errors import Category, HealixError

BATCH = 100
SLICE = 1200.0
"""Seconds that one run takes at most: the next goes on."""
AWAY = 10
"""Instances of which none is there, from which on the archive itself is: a disk that is not mounted is no damage."""
EVERY = "7 days"
"""How long after the end of a run the next one begins."""
LISTED = 1000


class Damage(StrEnum):
    """What is wrong with a blob."""

    MISSING = "missing"
    CORRUPT = "corrupt"


class Run(msgspec.Struct, frozen=True):
    """A run over all blobs, and how far it is."""

    id: int
    begun: datetime
    finished: datetime | None
    checked: int
    bytes: int
    damaged: int
    repaired: int


class Damaged(msgspec.Struct, frozen=True):
    """An instance whose blob is damaged."""

    instance: str
    study: str | None
    blob: str
    damage: str
    found: datetime


_BEGIN = f"""
WITH due AS (SELECT WHERE NOT EXISTS (
       SELECT FROM integrity_check WHERE finished IS NULL OR (finished > now() - interval '{EVERY}' AND NOT %s))),
     made AS (INSERT INTO integrity_check (checked) SELECT 0 FROM due RETURNING id, after)
SELECT id, after FROM made UNION ALL SELECT id, after FROM integrity_check WHERE finished IS NULL"""

NON_PATIENT = 1 << 62
"""What the keys of objects of no patient are counted from, so that a run comes to them after all images."""

_NEXT = f"""
(SELECT i.pk, i.instance_uid, i.blob, i.size, i.digest FROM instance i WHERE i.pk > %s ORDER BY i.pk LIMIT %s)
UNION ALL
(SELECT n.pk + {NON_PATIENT}, n.instance_uid, n.blob, n.size, n.digest FROM non_patient_instance n
 WHERE n.pk > %s ORDER BY n.pk LIMIT %s)
ORDER BY 1 LIMIT %s"""

_FOUND = """
WITH looked AS (
       SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) AS x (instance_uid, blob, damage)),
     damaged AS (
       INSERT INTO damaged_instance AS d (instance_uid, blob, damage)
       SELECT x.instance_uid, x.blob, x.damage FROM looked x
       WHERE x.damage IS NOT NULL AND (
         EXISTS (SELECT FROM instance i WHERE i.instance_uid = x.instance_uid AND i.blob = x.blob)
         OR EXISTS (SELECT FROM non_patient_instance n WHERE n.instance_uid = x.instance_uid AND n.blob = x.blob))
       ON CONFLICT (instance_uid) DO UPDATE SET blob = excluded.blob, damage = excluded.damage
       RETURNING 1),
     whole AS (
       DELETE FROM damaged_instance d USING looked x WHERE d.instance_uid = x.instance_uid AND x.damage IS NULL),
     gone AS (DELETE FROM damaged_instance d WHERE NOT EXISTS (
       SELECT FROM instance i WHERE i.instance_uid = d.instance_uid)
       AND NOT EXISTS (SELECT FROM non_patient_instance n WHERE n.instance_uid = d.instance_uid)
       AND NOT EXISTS (SELECT FROM looked x WHERE x.instance_uid = d.instance_uid))
UPDATE integrity_check SET after = %s, checked = checked + %s, bytes = bytes + %s, repaired = repaired + %s,
       damaged = damaged + (SELECT count(*) FROM damaged), finished = CASE WHEN %s THEN now() END
WHERE id = %s"""
"""Looked at again, what is whole is named no more; nor is what was deleted."""


def check(
    connection: Connection[Row],
    archive: Archive,
    rate: int,
    *,
    now: bool = False,
    mend: bool = True,
    seconds: float = SLICE,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[int]:
    """Go on with the run that is not finished, or begin one when the last is long ago (or `now`); yields bytes read.

    Reads at most `rate` bytes a second. Repairs from the other tier unless it may not `mend`. Ends after `seconds`, or
    when there is nothing to do.
    """
    rows = run(connection, _asked(_BEGIN, now))
    if not rows:
        return
    run_id, after = rows[0]
    pace = _Pace(rate, sleep)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        batch = run(connection, _asked(_NEXT, after, BATCH, after - NON_PATIENT, BATCH, BATCH))
        read = repaired = 0
        damages: list[Damage | None] = []
        for _, _, blob, size, digest in batch:
            damage = damage_of(archive, blob, size, digest, pace)
            if damage is not None and mend and repair(archive, blob, size, digest):
                damage, repaired = None, repaired + 1
            damages.append(damage)
            read += size
            yield size
        if len(batch) >= AWAY and set(damages) == {Damage.MISSING}:
            raise HealixError(Category.UNAVAILABLE, "the image archive is empty, or not the one that was written to")
        after = batch[-1][0] if batch else after
        found = ([row[1] for row in batch], [row[2] for row in batch], damages)
        run(connection, _asked(_FOUND, *found, after, len(batch), read, repaired, not batch, run_id))
        if not batch:
            return


class _Pace:
    """Waits so that no more than `rate` bytes are read in a second."""

    def __init__(self, rate: int, sleep: Callable[[float], None]) -> None:
        self._rate = rate
        self._sleep = sleep

    def __call__(self, read: int) -> None:
        self._sleep(read / self._rate)


def damage_of(
    archive: Archive, blob: str, size: int, digest: bytes, pace: Callable[[int], None] = lambda _: None
) -> Damage | None:
    """What is wrong with a blob that should have this size, and this digest of its data set; None when it is whole.

    Raises Unavailable when the archive as a whole is away: that is no damage.
    """
    try:
        found = digest_of(archive.stream(blob), pace)
    except HealixError:
        archive.check()
        return Damage.CORRUPT if archive.has(blob) else Damage.MISSING
    return None if found == (size, digest) else Damage.CORRUPT


def digest_of(chunks: Iterator[bytes], pace: Callable[[int], None]) -> tuple[int, bytes] | None:
    """Size of a file and digest of its data set; None for what is no DICOM file any more."""
    digest, head, begun, size = xxh3_128(), bytearray(), False, 0
    for chunk in chunks:
        size += len(chunk)
        pace(len(chunk))
        if begun:
            digest.update(chunk)
            continue
        head += chunk
        try:
            meta = read_meta(bytes(head[: META_LIMIT + 16]))
        except HealixError:
            return None
        if meta is not None:
            begun = True
            digest.update(memoryview(head)[meta[1] :])
        elif len(head) > META_LIMIT:
            return None
    return (size, digest.digest()) if begun else None


def repair(archive: Archive, blob: str, size: int, digest: bytes) -> bool:
    """Put the copy of the other tier, when that is whole, in the place of a damaged one; whether it was."""
    if not isinstance(archive, TieredArchive) or damage_of(archive.far, blob, size, digest) is not None:
        return False
    archive.near.remove([blob])
    return True


def runs() -> Work[list[Run]]:
    """The last runs, the newest first."""
    rows = yield Statement(
        "SELECT id, begun, finished, checked, bytes, damaged, repaired FROM integrity_check ORDER BY id DESC LIMIT 10"
    )
    return [Run(*row) for row in rows]


def damaged() -> Work[list[Damaged]]:
    """What is damaged, as far as it is known; at most `LISTED`."""
    rows = yield Statement(
        """SELECT d.instance_uid, s.study_uid, d.blob, d.damage, d.found FROM damaged_instance d
           LEFT JOIN instance i ON i.instance_uid = d.instance_uid LEFT JOIN series e ON e.pk = i.series_pk
           LEFT JOIN study s ON s.pk = e.study_pk ORDER BY d.found DESC, d.instance_uid LIMIT %s""",
        (LISTED,),
    )
    return [Damaged(*row) for row in rows]


def _asked(sql: str, *params: object) -> Work[list[Row]]:
    rows = yield Statement(sql, params)
    return rows
