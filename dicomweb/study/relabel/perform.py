"""Making a change that was asked for: the objects are written anew first, then take the place of the others at once.

What they replace is kept like what was deleted, so that `undo.py` can bring it back, until the purge. The studies are
closed to everyone but `system` from then on until the bridge has found whose they are. A job that is cut off leaves
blobs without rows, for the sweep, and starts over. However many objects there are, a group of them is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.events import study_changed
from dicomweb.study.counted import counted
from dicomweb.study.delete import MOVE
from dicomweb.study.receive import Receiver
from dicomweb.study.relabel.asked import WORD, Relabelling, find, settle
from dicomweb.study.relabel.labels import OF_PATIENT
from dicomweb.study.relabel.objects import There, concerned, elsewhere, there
from dicomweb.study.relabel.rewrite import rewritten
from dicomweb.study.relabel.waiting import Waiting
from dicomweb.study.rows import write
from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Statement, Work, transaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.outbox import publish
from smart_auth.access import internal

CLIENT = "relabel"
RELABELLED = "relabelled"
"""The code of what was set aside."""
GROUP = 200
CHANGED = "the study changed meanwhile; ask again"

Progress = Callable[[int], None]


def perform(
    pool: ConnectionPool[Connection[Row]],
    receiver: Receiver,
    number: int,
    progress: Progress = lambda _: None,
    client: str = CLIENT,
) -> Relabelling:
    """Make the change of this number, unless that was done; what became of it. `progress` is told of bytes written,
    the audit trail of `client`.

    The operator's command and the job worker may make it at the same time: the first to put its objects in place wins,
    and the other's are removed. A refusal becomes its state and message. Raises Unavailable and Full, with the change
    still to be made.
    """
    asked = transaction(pool, lambda: find(number))
    if asked.state != "asked":
        return asked
    origin = Origin(client=client, account=asked.account)
    with Waiting(receiver.archive.incoming) as waiting:
        try:
            found = transaction(pool, lambda: there(asked))
            _write_anew(pool, receiver, asked, found, waiting, progress)
            receiver.archive.enter(waiting.keys)
            if not transaction(pool, lambda: _put(asked, found, waiting, origin)):
                receiver.archive.remove(waiting.keys)
        except HealixError as error:
            receiver.archive.remove(waiting.keys)
            if error.category in (Category.UNAVAILABLE, Category.FULL):
                raise
            message = error.message
            transaction(pool, lambda: _failed(asked, message, origin))
    return transaction(pool, lambda: find(number))


def _write_anew(
    pool: ConnectionPool[Connection[Row]],
    receiver: Receiver,
    asked: Relabelling,
    found: There,
    waiting: Waiting,
    progress: Progress,
) -> None:
    """All objects, a group at a time."""
    now = clock.now()
    every = [*found.keys, *transaction(pool, lambda: elsewhere(asked))]
    for start in range(0, len(every), GROUP):
        keys = every[start : start + GROUP]
        for one in transaction(pool, lambda keys=keys: concerned(asked, found, keys)):  # type: ignore[misc]
            waiting.add(one, rewritten(receiver, one, now))
            progress(one.size)


def _failed(asked: Relabelling, message: str, origin: Origin) -> Work[None]:
    if (yield from find(asked.id)).state == "asked":
        yield settle(asked.id, "failed", message)
        yield record([AuditRow(origin, "U", WORD, outcome=4, entity=asked.study, query=message)])


_LOCK = """
SELECT s.study_uid, s.pk, k.id, a.patient, EXISTS (SELECT FROM study_hold h WHERE h.study_uid = s.study_uid)
FROM study s LEFT JOIN patient_key k ON k.pat = s.pat LEFT JOIN study_assignment a ON a.study_uid = s.study_uid
WHERE s.study_uid = ANY(%s) ORDER BY s.study_uid FOR UPDATE OF s"""

_PAIRS = """
INSERT INTO relabelled_instance (relabelling, instance_uid, before, after)
SELECT %s, x.* FROM unnest(%s::text[], %s::text[], %s::text[]) AS x"""


def _put(asked: Relabelling, found: There, waiting: Waiting, origin: Origin) -> Work[bool]:
    """Put what was made in the place of what it was made from, unless somebody else did; whether that was done. The
    caller made the names of the blobs durable.
    """
    if (yield from find(asked.id)).state != "asked":
        return False
    access = internal(origin)
    both = {asked.study, asked.target}
    studies = sorted(both | waiting.studies)
    rows = yield Statement(_LOCK, (studies,))
    known = {row[0]: row[1:] for row in rows}
    if any(held for *_, held in known.values()):
        raise HealixError(Category.CONFLICT, "a study under legal hold stays as it is")
    if (yield from there(asked)) != found:
        raise HealixError(Category.CONFLICT, CHANGED)
    for group in waiting.groups(GROUP):
        for study, (pk, *_) in known.items():
            keys = [one.before for one in group if one.study == study]
            if keys:
                move = MOVE.format(chosen="i.blob = ANY(%s)")
                gone = yield Statement(move, (pk, keys, access.origin.account, RELABELLED))
                if len(gone) != len(keys):  # of a third study
                    raise HealixError(Category.CONFLICT, CHANGED)
    for study in both & known.keys():
        yield from counted(study)
    for group in waiting.groups(GROUP):
        if not (yield from write(access, [one.received() for one in group], WORD, [access.origin] * len(group))):
            raise HealixError(Category.CONFLICT, CHANGED)
        pairs = zip(*((one.instance, one.before, one.key) for one in group), strict=True)
        yield Statement(_PAIRS, (asked.id, *(list(column) for column in pairs)))
    for study in known:
        yield from counted(study)
    yield from _closed(asked, known.get(asked.study, (None,) * 4)[2], known)
    patients = dict.fromkeys(row[1] for row in known.values())
    count = waiting.first if len(waiting) == 1 else f"{len(waiting)} instances"
    what = f"{count}: {asked.reason}"
    yield record([AuditRow(access.origin, "U", WORD, patient=one, entity=asked.study, query=what) for one in patients])
    yield settle(asked.id, "done")
    yield publish(study_changed(studies))
    return True


def _closed(asked: Relabelling, assigned: str | None, known: Mapping[str, Sequence[object]]) -> Work[None]:
    """Whose what was changed is, is for the bridge to find; what was given to a patient by hand stays that patient's,
    unless another PatientID was written.
    """
    fresh = asked.target not in known
    if fresh or asked.target == asked.study:
        yield Statement("UPDATE study SET pat = NULL WHERE study_uid = %s", (asked.target,))
    if assigned is None:
        return
    yield Statement("UPDATE relabelling SET assigned = %s WHERE id = %s", (assigned, asked.id))
    if OF_PATIENT & {"PatientID", "IssuerOfPatientID"} & asked.labels.keys():
        if asked.target == asked.study:
            yield Statement("DELETE FROM study_assignment WHERE study_uid = %s", (asked.study,))
    elif fresh:
        yield Statement(
            """INSERT INTO study_assignment (study_uid, patient, account) VALUES (%s, %s, %s)
               ON CONFLICT (study_uid) DO NOTHING""",
            (asked.target, assigned, asked.account),
        )
