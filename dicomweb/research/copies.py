"""De-identified copies of studies in the store, in the compartment of their project.

A copy has rows, metadata, frames and a file of its own, so that all ways to look at images serve it like any other and
none has to hide anything. Making copies again changes nothing, adds what has come since, and puts what changed anew.
Spec: PS3.15 E.1.1 (2026c)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.blobs import STREAM_CHUNK
from dicomweb.deidentify.options import Option
from dicomweb.deidentify.report import Report
from dicomweb.research.making import Made, each, named
from dicomweb.research.projects import Project
from dicomweb.study.delete import delete
from dicomweb.study.outcome import Disposition, Duplicates
from dicomweb.study.receive import Received, Receiver
from dicomweb.study.retrieve import Instance, instances
from dicomweb.study.store import deposit
from dicomweb.uid import check_uid
from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.kernel.errors import HealixError, invalid
from smart_auth.access import AccessContext

WORD = "de-identify"
"""What the audit trail calls it."""
GROUP = 50
"""Objects that are stored at once."""


def sources(access: AccessContext, studies: Sequence[str]) -> Work[list[Instance]]:
    """The instances of studies that `access` may see. Raises NotFound."""
    found: list[Instance] = []
    for study in dict.fromkeys(studies):
        found += yield from named(study, instances(access, study))
    return found


def make(
    pool: ConnectionPool[Connection[Row]],
    receiver: Receiver,
    project: Project,
    found: Sequence[Instance],
    *,
    processes: int = 1,
    advance: Callable[[int], None] = lambda _: None,
) -> Report:
    """Store copies of instances; `advance` is told how many bytes of them are done."""
    if Option.UIDS in project.profile.options:
        raise invalid("a project that retains UIDs is for export: the store has one object of a UID")
    report = Report(project.profile)
    group: list[tuple[Made, Received]] = []

    def put() -> None:
        outcomes = deposit(pool, receiver.archive, project.access, [one for _, one in group], WORD, Duplicates.REPLACE)
        for (made, _), outcome in zip(group, outcomes, strict=True):
            if outcome.status is Disposition.REFUSED:
                report.refuse(outcome.study, f"not stored: {outcome.reason.name if outcome.reason else ''}")
            elif made.done is not None:
                report.done(made.done)
        group.clear()

    for made in each(receiver.archive, project, found, processes):
        if made.done is None:
            report.refuse(project.uid_of(made.instance.study), made.reason)
        else:
            try:
                group.append((made, _received(receiver, made)))
            except HealixError as error:
                report.refuse(made.done.study, f"not stored: {error.message}")
        if len(group) >= GROUP:
            put()
        advance(made.instance.size)
    if group:
        put()
    return report


def _received(receiver: Receiver, made: Made) -> Received:
    incoming = receiver.begin()
    try:
        with made.path.open("rb") as file:
            while piece := file.read(STREAM_CHUNK):
                incoming.write(piece)
        return incoming.finish()
    except BaseException:
        incoming.abort()
        raise


def remove(project: Project, studies: Sequence[str]) -> Work[int]:
    """Delete the copies of studies, given by their own UIDs or those of their originals; how many instances went.

    They are kept for a while like all that is deleted. Raises NotFound.
    """
    gone = 0
    for study in dict.fromkeys(studies):
        copy = project.keys.uid(check_uid(study, "StudyInstanceUID"))
        rows = yield Statement("SELECT FROM study WHERE study_uid = %s AND pat = %s", (copy, project.access.pat))
        gone += len((yield from delete(project.access, copy if rows else study)))
    return gone
