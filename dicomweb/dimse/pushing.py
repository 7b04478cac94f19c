"""The errand of a push: a study, a series or an instance sent to a peer because somebody asked for that once.

It sends in the order in which instances came, some seconds' worth at a time, and knows how far it is. What the peer
refuses for good is named and passed over; what it may take later lets the errand wait from where it is.

Spec: PS3.4 B (2024d)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.blobs import Archive
from dicomweb.commitment.references import Reference
from dicomweb.commitment.sought import seek
from dicomweb.dimse.calling import check_settled, meaning, remote
from dicomweb.dimse.outgoing import Outgoing
from dicomweb.dimse.push import Push, Sent
from dicomweb.dimse.requestor import PeerError
from dicomweb.dimse.suboperations import Outcome
from dicomweb.errand.queue import Errand, Kind, Wanted
from dicomweb.errand.work import SENDER, WORDS, AwayError, Done, Performer, RefusedError
from dicomweb.study.retrieve import Instance
from dicomweb.study.rows import audited
from healix_fhir.kernel.audit import AuditRow, Origin
from healix_fhir.kernel.database import Row, Statement, Work, run
from healix_fhir.kernel.errors import not_found
from smart_auth.access import AccessContext
from smart_auth.scope import Permission, parse

SLICE = 15.0
"""Seconds after which an errand lets others have a turn."""
BATCH = 500
"""Instances that are looked up at once."""
ACCESS = AccessContext(parse("system/ImagingStudy.r"), Origin(client=SENDER))
SEPARATOR = "/"
COMMIT = "commit"
"""The rule of a push after which the peer is asked for storage commitment."""


def wanted(kind: Kind, aet: str, uids: Sequence[str], *, commit: bool = False) -> Wanted:
    """The errand of a push or a pull for the study, series or instance with these UIDs, from the study down.

    After a push the peer is asked to `commit` itself to what it has taken.
    """
    return Wanted(kind, aet, SEPARATOR.join(uids), COMMIT if commit else "")


def asked(errand: Errand) -> list[str]:
    """The UIDs that an errand is about, from the study down."""
    return errand.about.split(SEPARATOR)


@dataclass(slots=True)
class Batch:
    """What goes next, by its place; `patient` is whose it is."""

    instances: list[Instance] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    patient: str | None = None


_NEXT = """
SELECT i.pk, k.id, s.study_uid, e.series_uid, i.instance_uid, i.sop_class_uid, i.transfer_syntax, i.blob, i.size
FROM study s JOIN series e ON e.study_pk = s.pk JOIN instance i ON i.series_pk = e.pk
LEFT JOIN patient_key k ON k.pat = s.pat
WHERE s.study_uid = %s AND e.series_uid = coalesce(%s, e.series_uid) AND i.instance_uid = coalesce(%s, i.instance_uid)
  AND i.pk > %s AND {open} ORDER BY i.pk LIMIT %s"""


def following(access: AccessContext, uids: Sequence[str], after: int, limit: int = BATCH) -> Work[Batch]:
    """The instances after a place, in the order in which they came."""
    open_ = access.represented("ImagingStudy", Permission.READ, "s.pat", "s.imaging_study")
    named = [*uids, None, None][:3]
    rows = yield Statement(_NEXT.format(open=open_.sql), (*named, after, *open_.params, limit))
    batch = Batch(patient=rows[0][1] if rows else None)
    for row in rows:
        batch.instances.append(Instance(*row[2:]))
        batch.places[row[4]] = row[0]
    return batch


def size(access: AccessContext, uids: Sequence[str]) -> Work[int]:
    """The bytes of what is to be pushed. Raises NotFound where there is nothing."""
    open_ = access.represented("ImagingStudy", Permission.READ, "s.pat", "s.imaging_study")
    counted = f"SELECT count(*), sum(size)::bigint FROM ({_NEXT.format(open=open_.sql)}) x"
    rows = yield Statement(counted, (*[*uids, None, None][:3], 0, *open_.params, None))
    if not rows[0][0]:
        raise not_found("there is no such study, series or instance")
    return int(rows[0][1])


def pusher(
    archive: Archive,
    pool: ConnectionPool[Connection[Row]],
    stop: Event,
    *,
    heard: Callable[[Sent], None] = lambda _: None,
    leave_off: Callable[[], bool] = lambda: False,
) -> Performer:
    """What does the errand; `heard` is told of each instance, `leave_off` asked before each."""

    def push(connection: Connection[Row], errand: Errand) -> Done:
        batch = run(connection, following(ACCESS, asked(errand), errand.after))
        if not batch.instances:
            return Done(errand.after)
        until = time.monotonic() + SLICE
        to = remote(connection, errand.receiver)
        settled: list[Sent] = []
        sending = Push(
            to,
            Outgoing(archive, pool, ACCESS),
            leave_off=lambda: (bool(settled) and time.monotonic() > until) or leave_off(),
            stop=stop,
        )
        try:
            for sent in sending.send(batch.instances):
                check_settled(sent, to, archive)
                settled.append(sent)
                heard(sent)
        except (AwayError, RefusedError):
            if not settled:  # what was settled before is kept, and the rest tried at once: then this is told
                raise
        except PeerError as error:
            if not settled:
                raise meaning(error) from error
        if errand.rule == COMMIT:
            _seek(connection, errand, settled)
        return _done(errand, batch, settled)

    return push


def _seek(connection: Connection[Row], errand: Errand, settled: Sequence[Sent]) -> None:
    """Have the peer asked for commitment to what it has taken, each part of a push by itself."""
    taken = [one.instance for one in settled if one.outcome is not Outcome.FAILED]
    if taken:
        references = tuple(Reference(one.sop_class, one.instance) for one in taken)
        with connection.transaction():
            run(connection, seek(errand.receiver, errand.about, references))


def _done(errand: Errand, batch: Batch, settled: Sequence[Sent]) -> Done:
    after = batch.places[settled[-1].instance.instance] if settled else errand.after
    taken = [one.instance.instance for one in settled if one.outcome is not Outcome.FAILED]
    refused = [one for one in settled if one.outcome is Outcome.FAILED]
    rows = [
        AuditRow(
            ACCESS.origin, "R", WORDS[Kind.PUSH], outcome, batch.patient, asked(errand)[0],
            f"{audited(uids)} to {errand.receiver}",
        )
        for uids, outcome in ((taken, 0), ([one.instance.instance for one in refused], 4))
        if uids
    ]  # fmt: skip
    is_whole = len(settled) == len(batch.instances) < BATCH
    return Done(after, rows, None if is_whole else 0.0, _note(refused))


def _note(refused: Sequence[Sent]) -> str | None:
    if not refused:
        return None
    first = refused[0]
    what = f"{len(refused)} instances were refused, the first with {first.status:04X}H {first.message}".rstrip()
    return f"{what}: {first.instance.instance}"
