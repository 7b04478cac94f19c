"""Storing objects of no patient: rows, values that they are found by, and audit of a whole group, all or none.

Their blobs lie in the archive beside those of images. What becomes of other content under a known UID is the setting of
images too; what makes room is not kept, since it is no part of a patient's record.

Spec: PS3.18 12.5, PS3.4 GG.4.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import zstandard
from psycopg import AsyncConnection, Connection
from psycopg.errors import SerializationFailure, UniqueViolation
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from dicomweb.archive.aside import aside
from dicomweb.archive.blobs import Archive
from dicomweb.non_patient.found_by import found_by
from dicomweb.non_patient.models import BY_CLASS
from dicomweb.non_patient.opened import require
from dicomweb.status import Reason, reason
from dicomweb.study.decide import OTHER_CONTENT
from dicomweb.study.outcome import WITH_ROWS, Disposition, Duplicates, Outcome, outcome
from dicomweb.study.receive import Received
from dicomweb.study.rows import COMPRESSION
from dicomweb.study.store import may_be_committed
from dicomweb.workitem.keys import Key
from dicomweb.workitem.marks import marks
from dicomweb.workitem.rows import key_params
from healix_fhir.kernel import arrays
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.backup_hold import running
from healix_fhir.kernel.database import Row, Statement, Work, atransaction, transaction
from healix_fhir.kernel.errors import HealixError
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Known = dict[str, tuple[str, bytes]]
"""SOP class and digest of what is there, by SOPInstanceUID."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of each object, and the keys of blobs that nothing refers to any more."""

    outcomes: list[Outcome]
    unused: list[str]


def deposit(
    pool: ConnectionPool[Connection[Row]],
    archive: Archive,
    access: AccessContext,
    received: Sequence[Received],
    source: str,
    duplicates: Duplicates = Duplicates.REFUSE,
) -> list[Outcome]:
    """Store a group of objects, all or none, and settle their blobs; outcomes in the order of `received`.

    `source` names the service for the audit trail. Raises Forbidden when `access` may not store them.
    """
    keys = [one.key for one in received]
    try:
        archive.enter(keys)
        done = transaction(pool, partial(store, access, received, source, duplicates))
    except BaseException as error:
        if not may_be_committed(error):
            archive.remove(keys)
        raise
    archive.remove(done.unused)
    return done.outcomes


async def adeposit(
    pool: AsyncConnectionPool[AsyncConnection[Row]],
    archive: Archive,
    access: AccessContext,
    received: Sequence[Received],
    source: str,
    duplicates: Duplicates = Duplicates.REFUSE,
) -> list[Outcome]:
    """`deposit` for the event loop. When the caller is cancelled, removal is left to the sweep."""
    keys = [one.key for one in received]
    try:
        await aside(archive.enter, keys)
        done = await atransaction(pool, partial(store, access, received, source, duplicates))
    except Exception as error:
        if not may_be_committed(error):
            await aside(archive.remove, keys)
        raise
    if done.unused:
        await aside(archive.remove, done.unused)
    return done.outcomes


_KNOWN = """
SELECT n.instance_uid, n.sop_class_uid, n.digest FROM non_patient_instance n WHERE n.instance_uid = ANY(%s)
UNION ALL
SELECT i.instance_uid, i.sop_class_uid, i.digest FROM instance i WHERE i.instance_uid = ANY(%s)"""

_WRITE = """
WITH given AS MATERIALIZED (
       SELECT * FROM json_to_recordset(%s::json) AS x (instance_uid text, sop_class_uid text, transfer_syntax text,
         blob text, size bigint, digest bytea, layout bytea, metadata bytea, marks bigint[], source text)),
     made AS (
       INSERT INTO non_patient_instance (instance_uid, sop_class_uid, transfer_syntax, blob, size, digest, layout,
         metadata, marks, source)
       SELECT instance_uid, sop_class_uid, transfer_syntax, blob, size, digest, layout, metadata, marks, source
       FROM given
       RETURNING pk, instance_uid)
INSERT INTO non_patient_key (instance, path, item, value)
SELECT m.pk, x.path, x.item::int[], x.value
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS x (instance_uid, path, item, value)
JOIN made m USING (instance_uid)"""


def store(
    access: AccessContext, received: Sequence[Received], source: str, duplicates: Duplicates = Duplicates.REFUSE
) -> Work[Stored]:
    """What can be stored is, the rest has its reasons; four statements at most."""
    require(access, Permission.CREATE)
    uids = [one.sop_instance for one in received]
    rows = yield Statement(_KNOWN, (uids, uids))
    known = {uid: (sop_class, bytes(digest)) for uid, sop_class, digest in rows}
    fresh: dict[str, list[Key]] = {}
    outcomes = [_decided(one, known, fresh, duplicates) for one in received]
    pairs = list(zip(received, outcomes, strict=True))
    unused = [one.key for one, became in pairs if became.status not in WITH_ROWS]
    if replaced := [one.sop_instance for one, became in pairs if became.status is Disposition.REPLACED]:
        unused += yield from removed(replaced)
    if stored := [one for one, became in pairs if became.status in WITH_ROWS]:
        yield from _write(stored, fresh)
    yield record([_audit(access, source, one, became) for one, became in pairs])
    return Stored(outcomes, unused)


def removed(instances: Sequence[str]) -> Work[list[str]]:
    """Forget some; the keys of their blobs that can go once this is committed: none while a backup runs, after which
    the sweep takes them.
    """
    rows = yield Statement("DELETE FROM non_patient_instance WHERE instance_uid = ANY(%s) RETURNING blob", (instances,))
    return [] if (yield from running()) else [blob for (blob,) in rows]


def _decided(one: Received, known: Known, fresh: dict[str, list[Key]], duplicates: Duplicates) -> Outcome:
    """The outcome of one, which counts as known for those after it, but is not replaced by them: what it is found by
    is `fresh`.
    """
    itself, present = (one.sop_class, one.digest), known.get(one.sop_instance)
    if present == itself:
        return outcome(one, Disposition.DUPLICATE)
    if present is not None and duplicates is Duplicates.KEEP:
        return outcome(one, Disposition.KEPT, message=f"{OTHER_CONTENT} and stays")
    makes_room = duplicates is Duplicates.REPLACE and one.sop_instance not in fresh
    if present is not None and not (makes_room and present[0] == one.sop_class):
        return outcome(one, Disposition.REFUSED, Reason.DUPLICATE_INSTANCE, OTHER_CONTENT)
    try:
        fresh[one.sop_instance] = found_by(BY_CLASS[one.sop_class], msgspec.json.decode(one.header.metadata))
    except HealixError as error:
        return outcome(one, Disposition.REFUSED, reason(error), error.message)
    known[one.sop_instance] = itself
    return outcome(one, Disposition.STORED if present is None else Disposition.REPLACED)


def _write(stored: Sequence[Received], found: Mapping[str, Sequence[Key]]) -> Work[None]:
    """The rows of what is stored, and what each is found by."""
    every = [(one.sop_instance, key) for one in stored for key in found[one.sop_instance]]
    rows = [_row(one, found[one.sop_instance]) for one in stored]
    owners = arrays.text(uid for uid, _ in every)
    try:
        yield Statement(_WRITE, (msgspec.json.encode(rows).decode(), owners, *key_params([key for _, key in every])))
    except UniqueViolation as error:
        raise SerializationFailure("another request stored the same object meanwhile") from error


def _row(one: Received, found: Sequence[Key]) -> dict[str, Any]:
    packed = zstandard.ZstdCompressor(level=COMPRESSION).compress(one.header.metadata)
    layout = msgspec.msgpack.encode(one.layout)
    return {
        "instance_uid": one.sop_instance,
        "sop_class_uid": one.sop_class,
        "transfer_syntax": one.transfer_syntax,
        "blob": one.key,
        "size": one.size,
        "source": one.source,
        "marks": sorted(marks(found)),
        **{name: f"\\x{value.hex()}" for name, value in
           {"digest": one.digest, "layout": layout, "metadata": packed}.items()},
    }  # fmt: skip


def _audit(access: AccessContext, source: str, one: Received, became: Outcome) -> AuditRow:
    failed = 4 if became.status in (Disposition.REFUSED, Disposition.KEPT) else 0
    return AuditRow(access.origin, "C", source, outcome=failed, entity=one.sop_instance)
