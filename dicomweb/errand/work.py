"""The step of the job worker that does one errand.

A receiver is served by one worker at a time, or two where one has what is short for it, under a lock of the worker's
session: that of a worker that was killed is free at once, and its errand is done by another. What an errand does at the
other system is outside of any transaction.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from psycopg import Connection

from dicomweb.errand import queue
from dicomweb.errand.queue import SHORT, Errand, Kind, Listed
from healix_fhir.kernel.audit import AuditRow, Origin
from healix_fhir.kernel.database import Row, Statement, one, run
from healix_fhir.kernel.hashing import key64
from healix_fhir.kernel.log import get_logger
from healix_fhir.kernel.tracing import span

log = get_logger("errand")

SENDER = "errands"
"""The client of the trail for what the server does by itself."""


class AwayError(Exception):
    """The receiver cannot be reached now; the message says why, for the operator."""


class RefusedError(Exception):
    """The receiver, or what is to be done, does not allow it; `final` when trying again is useless."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class StoppedError(Exception):
    """The server stops: the errand is left as it is."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: how far (`after`), what the trail says of it, and when it goes on; None when it is whole.

    `note` says what did not go well all the same.
    """

    after: int = 0
    audits: Sequence[AuditRow] = ()
    again: float | None = None
    note: str | None = None


Performer: TypeAlias = Callable[[Connection[Row], Errand], Done]
"""Does an errand, or a part of it that takes some seconds. The connection is in no transaction. Raises AwayError,
RefusedError and StoppedError.
"""

WORDS: Mapping[Kind, str] = {
    Kind.EVENT: "workitem-event",
    Kind.COMMITMENT: "commitment-report",
    Kind.COMMIT: "commitment-request",
    Kind.NOTICE: "availability-notice",
    Kind.PUSH: "push",
    Kind.PULL: "pull",
    Kind.GET: "pull",
    Kind.SEND: "forward",
    Kind.PRIORS: "prefetch",
    Kind.SYNC: "synchronize",
}
"""What the trail calls each kind."""


def worker(performers: Mapping[Kind, Performer]) -> Callable[[Connection[Row]], int]:
    """The step for errands of these kinds; it returns how many it did: one, or none when nothing is due."""
    kinds = [kind for kind in Kind if kind in performers]
    short = SHORT.issuperset(kinds)
    served = [""]  # the receiver that was served last: each has its turn

    def step(connection: Connection[Row]) -> int:
        found = sorted(run(connection, queue.receivers(kinds)))
        turn = bisect(found, served[0])
        for receiver in found[turn:] + found[:turn]:
            with alone(connection, receiver, short=short) as is_ours:
                errand = run(connection, queue.next_of(receiver, kinds)) if is_ours else None
                if errand is not None:
                    served[0] = receiver
                    perform(connection, errand, performers[errand.kind])
                    return 1
        return 0

    return step


@contextmanager
def alone(connection: Connection[Row], receiver: str, *, short: bool = False) -> Iterator[bool]:
    """Whether this session is the one that serves a receiver, with its short errands or the others, while the block
    lasts.
    """
    lock = key64(f"{'short errands' if short else 'errands'} of {receiver}")
    is_ours = bool(run(connection, one(Statement("SELECT pg_try_advisory_lock(%s)", (lock,))))[0][0])
    try:
        yield is_ours
    finally:
        if is_ours:
            run(connection, one(Statement("SELECT pg_advisory_unlock(%s)", (lock,))))


def through(connection: Connection[Row], seq: int, performer: Performer, goes_on: Callable[[], bool]) -> Listed:
    """Do an errand until it has ended, or fails for now; how it stands then. The caller serves its receiver."""
    while goes_on() and (errand := run(connection, queue.due_now(seq))) is not None:
        perform(connection, errand, performer)
    return run(connection, queue.state(seq))


def perform(connection: Connection[Row], errand: Errand, performer: Performer) -> None:
    """Do an errand, or a part of it, and write down what became of it."""
    try:
        with span(f"errand {errand.kind}", receiver=errand.receiver):
            made = performer(connection, errand)
    except StoppedError:
        return
    except AwayError as error:
        with connection.transaction():
            given_up = run(connection, queue.away(errand, str(error), _gave_up(errand, str(error))))
        log.warning("a receiver is away", receiver=errand.receiver, reason=str(error), given_up=given_up)
    except RefusedError as error:
        _refused(connection, errand, str(error), final=error.final)
    except Exception:
        _refused(connection, errand, "it failed inside this server; the log says how")
        raise
    else:
        with connection.transaction():
            if made.again is None:
                run(connection, queue.done(errand, made.after, made.note, made.audits))
            else:
                run(connection, queue.put_off(errand, made.after, made.again, made.note, made.audits))


def _refused(connection: Connection[Row], errand: Errand, reason: str, *, final: bool = False) -> None:
    with connection.transaction():
        given_up = run(connection, queue.refused(errand, reason, _gave_up(errand, reason), final=final))
    log.warning("an errand failed", kind=errand.kind.value, receiver=errand.receiver, reason=reason, given_up=given_up)


def _gave_up(errand: Errand, reason: str) -> queue.GivenUp:
    """What the trail says of what is given up with an errand."""
    said = f"{errand.receiver}: {reason}"
    return lambda kind, about: AuditRow(Origin(client=SENDER), "E", WORDS[kind], 8, None, about, said)
