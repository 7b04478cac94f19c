"""`healix peer echo`, `find`, `push` and `pull`: DIMSE peers called by this server."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.server.cli.console import DataDir, answer, database, recorded
from healix_fhir.server.cli.research import progress
from smart_auth.access import internal

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg_pool import ConnectionPool

    from dicomweb.dimse.requestor import Remote
    from dicomweb.errand.queue import Listed, Wanted
    from dicomweb.errand.work import Performer
    from healix_fhir.kernel.database import Row

    Pool = ConnectionPool[Connection[Row]]

app = typer.Typer()

Aet = Annotated[str, typer.Argument(help="AE title of the peer.")]
Study = Annotated[str, typer.Option(help="The StudyInstanceUID.")]
Series = Annotated[str | None, typer.Option(help="Only the series with this UID.")]
Instance = Annotated[str | None, typer.Option(help="Only the instance with this UID, of that series.")]
Later = Annotated[bool, typer.Option("--later", help="Leave it to the running server, and do not wait.")]
Commit = Annotated[
    bool, typer.Option("--commit", help="Ask the peer whether it has committed itself to what it has taken.")
]
ACCESS = internal(OPERATOR.client or "")
TICK = 0.1


@app.command("echo")
def echo_command(aet: Aet, data_dir: DataDir = None) -> None:
    """See whether a peer is there and talks to this server (C-ECHO)."""
    from dicomweb.dimse.verifying import verify

    with database(data_dir) as (_, pool):
        remote = _remote(pool, aet)
        recorded(pool, "E", "peer echo", aet)
        started = time.perf_counter()
        verify(remote)
        answer({"peer": aet, "answers": True, "seconds": round(time.perf_counter() - started, 3)})


@app.command("find")
def find_command(
    aet: Aet,
    keys: Annotated[list[str] | None, typer.Argument(help="KEYWORD=VALUE to match, or KEYWORD to be told.")] = None,
    level: Annotated[str, typer.Option(help="study, series, image or worklist.")] = "study",
    most: Annotated[int, typer.Option(help="The most matches.", min=1, max=100_000)] = 1000,
    data_dir: DataDir = None,
) -> None:
    """List what a peer has (C-FIND, Study Root), or has on its modality worklist; keys of a procedure step are
    ScheduledProcedureStepSequence.KEYWORD=VALUE.
    """
    from dicomweb.dimse.asking import WORKLIST, question, told
    from dicomweb.dimse.contexts import MODALITY_WORKLIST
    from dicomweb.dimse.retrieving import FIND, found

    with database(data_dir) as (_, pool):
        identifier = question(level, keys or ())
        remote = _remote(pool, aet)
        recorded(pool, "E", " ".join(["peer find", *(keys or ())]), aet)
        sop_class = MODALITY_WORKLIST if level == WORKLIST else FIND
        matches = found(remote, identifier, most=most, sop_class=sop_class)
        answer({"peer": aet, "matches": [told(one) for one in matches]})


@app.command("push")
def push_command(
    aet: Aet,
    study: Study,
    series: Series = None,
    instance: Instance = None,
    later: Later = False,
    commit: Commit = False,
    data_dir: DataDir = None,
) -> None:
    """Send a study to a peer (C-STORE); exits with 1 when anything was not sent. Ctrl-C cancels.

    What the peer cannot take now is tried again by the running server (`healix errand list`). That also asks for
    commitment with `--commit`, and `healix errand list --all` shows what the peer says.
    """
    from dicomweb.archive.opening import open_archive
    from dicomweb.dimse.push import Outcome, Sent
    from dicomweb.dimse.pushing import pusher, size, wanted
    from dicomweb.errand.queue import Kind

    with database(data_dir) as (settings, pool):
        _remote(pool, aet)
        uids = _uids(study, series, instance)
        total = transaction(pool, lambda: size(ACCESS, uids))
        recorded(pool, "E", " ".join(["peer push", aet, *uids]), study)
        sent: list[Sent] = []

        def heard(one: Sent) -> None:
            sent.append(one)
            advance(one.instance.size)

        with progress("Sending", total) as advance, _interruptible() as interrupted:
            work = pusher(open_archive(settings), pool, Event(), heard=heard, leave_off=interrupted.is_set)
            ended = _done(pool, wanted(Kind.PUSH, aet, uids, commit=commit), None if later else work, interrupted)
        failed = sum(one.outcome is Outcome.FAILED for one in sent)
        warned = sum(one.outcome is Outcome.WARNING for one in sent)
        _finish(ended, {"sent": len(sent) - failed, "warnings": warned, "failed": failed}, later=later)


@app.command("pull")
def pull_command(
    aet: Aet,
    study: Study,
    series: Series = None,
    instance: Instance = None,
    method: Annotated[str, typer.Option(help="move or get.")] = "move",
    later: Later = False,
    data_dir: DataDir = None,
) -> None:
    """Have a peer send a study to this server; exits with 1 when anything failed. Ctrl-C cancels.

    With `move` the peer sends it to HEALIX (C-MOVE), which has to run, and which the peer has to know; with `get` over
    the association of this command (C-GET). What the peer cannot send now is asked for again by the running server
    (`healix errand list`).
    """
    from dicomweb.dimse.contexts import storage_classes
    from dicomweb.dimse.pulling import getter, puller
    from dicomweb.dimse.pushing import wanted
    from dicomweb.dimse.reception import reception
    from dicomweb.dimse.retrieving import Moved
    from dicomweb.errand.queue import Kind

    kinds = {"move": Kind.PULL, "get": Kind.GET}
    with database(data_dir) as (settings, pool):
        if method not in kinds:
            raise invalid("the method is move or get")
        _remote(pool, aet)
        uids = _uids(study, series, instance)
        recorded(pool, "E", " ".join(["peer pull", aet, *uids]), study)
        last = Moved(0, 0, 0, 0, 0)

        def heard(now: Moved) -> None:
            nonlocal last
            advance(now.completed + now.warning + now.failed - last.completed - last.warning - last.failed)
            last = now

        with progress("Receiving", None) as advance, _interruptible() as interrupted:
            stop, leave_off = Event(), interrupted.is_set
            if method == "get":
                classes = storage_classes(settings.dimse_storage_classes)
                work = getter(reception(settings, pool), classes, pool, stop, heard=heard, leave_off=leave_off)
            else:
                work = puller(stop, heard=heard, leave_off=leave_off)
            ended = _done(pool, wanted(kinds[method], aet, uids), None if later else work, interrupted)
        counts = {"received": last.completed + last.warning, "warnings": last.warning, "failed": last.failed}
        _finish(ended, counts, later=later)


def _remote(pool: Pool, aet: str) -> Remote:
    """Where a known peer listens. Raises NotFound."""
    from dicomweb.dimse import peers
    from dicomweb.dimse.calling import remote_of

    found = transaction(pool, lambda: peers.find(aet))
    if found is None:
        raise peers.unknown(aet)
    return remote_of(found)


def _uids(study: str, series: str | None, instance: str | None) -> list[str]:
    """The UIDs from the study down. Raises Invalid."""
    from dicomweb.uid import check_uid

    if instance is not None and series is None:
        raise invalid("--instance needs --series")
    given = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": instance}
    return [check_uid(value, keyword) for keyword, value in given.items() if value is not None]


def _done(pool: Pool, one: Wanted, performer: Performer | None, interrupted: Event) -> Listed:
    """Ask for an errand, and do it here and now where there is a `performer`; how it stands then.

    It waits for its turn while the running server is at something else with the same peer.
    """
    from dicomweb.errand.queue import begin, cancel, state
    from dicomweb.errand.work import alone, through

    if performer is None:
        seq = transaction(pool, lambda: begin(one))
        return transaction(pool, lambda: state(seq))
    with pool.connection() as connection:
        while True:
            with alone(connection, one.receiver) as is_ours:
                if is_ours or interrupted.is_set():
                    seq = transaction(pool, lambda: begin(one))
                    ended = through(connection, seq, performer, lambda: not interrupted.is_set())
                    break
            time.sleep(TICK)
    if interrupted.is_set() and ended.ended is None:
        return transaction(pool, lambda: cancel(seq))
    return ended


@contextmanager
def _interruptible() -> Iterator[Event]:
    """Ctrl-C sets the event; a second one ends the command as usual."""
    interrupted = Event()

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        interrupted.set()

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _finish(ended: Listed, counts: dict[str, int], *, later: bool) -> None:
    """Answer; exit with 1 when anything is left or failed, unless it was only asked for."""
    state = "cancelled" if ended.given_up else "waiting" if ended.ended is None else "done"
    told = {"errand": ended.seq, "peer": ended.receiver, "about": ended.about, "state": state, "reason": ended.reason}
    answer(told | ({} if later else counts))
    if not later and (state != "done" or counts["failed"]):
        raise typer.Exit(1)
