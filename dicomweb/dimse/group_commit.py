"""Objects of several associations stored in one transaction: a database commit costs the same for one as for many.

The first association to arrive commits what is there, after a moment's wait for the objects that others are just
bringing to the disk; those that arrive while it commits are the next group, committed by the first of them. So a lone
sender never waits for others, and many senders share commits without a thread or a timer of its own. Each thread is
woken once: who commits by the last object that it waits for, the others with their outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Condition, Lock
from typing import TypeAlias

from msgspec.structs import replace

from dicomweb.study.receive import Received
from dicomweb.study.store import Outcome, may_be_committed
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.log import get_logger
from smart_auth.access import AccessContext

log = get_logger("dimse")

PATIENCE = 0.004
"""How long (seconds) a commit waits for objects on their way to the disk: about as long as forcing one there takes."""

Deposit: TypeAlias = Callable[[AccessContext, Sequence[Received]], list[Outcome]]
DepositNew: TypeAlias = Callable[[AccessContext, Sequence[Origin], Sequence[Received]], list[Outcome] | None]


@dataclass(slots=True)
class Ticket:
    """An object that waits for its outcome, which is an exception when storing failed."""

    access: AccessContext
    received: Received
    outcome: list[Outcome | Exception] = field(default_factory=list)
    wake: Lock = field(default_factory=Lock)  # who waits for it is told its outcome, or that it is to commit


class GroupCommit:
    """Stores objects through `deposit`, in groups; for all associations of a process.

    `together` stores all of a group or none, and then keeps their blobs; `alone` stores a group of one and leaves
    nothing of a refused one. When a group fails its members are stored alone, so that a bad object harms no other.
    `new` stores the objects of several callers with the same rights; where it gives None, each caller's are a group.
    `meanwhile` does for the first of a group what can be done while the others are waited for; `together` would.
    """

    def __init__(
        self,
        together: Deposit,
        alone: Deposit,
        meanwhile: Callable[[Received], None] = lambda _: None,
        new: DepositNew = lambda *_: None,
    ) -> None:
        self._together = together
        self._alone = alone
        self._new = new
        self._meanwhile = meanwhile
        self._waiting: list[Ticket] = []
        self._coming = 0
        self._committing = False  # whether somebody is, or is about to
        self._lock = Lock()
        self._all_came = Condition(self._lock)

    def store(self, access: AccessContext, finish: Callable[[], Received]) -> Outcome:
        """Bring one object to the disk with `finish` and store it: durable when this returns.

        Raises what `finish` and `alone` raise, and OperationalError when the database is lost.
        """
        with self._lock:
            self._coming += 1
        try:
            ticket = Ticket(access, finish())
        except BaseException:
            with self._lock:
                self._arrived()
            raise
        ticket.wake.acquire()
        with self._lock:
            self._waiting.append(ticket)
            self._arrived()
            is_first, self._committing = not self._committing, True
        if not is_first:
            ticket.wake.acquire()
        if not ticket.outcome:
            self._commit(ticket)
        (outcome,) = ticket.outcome
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _arrived(self) -> None:
        self._coming -= 1
        if not self._coming:
            self._all_came.notify()

    def _commit(self, own: Ticket) -> None:
        """Commit all that is there, tell who waits for it, and let the first of those that came meanwhile go on."""
        group: Sequence[Ticket] = ()
        try:
            if self._coming:
                with suppress(HealixError):  # what is wrong is found again, and told to those whom it concerns
                    self._meanwhile(own.received)
            with self._lock:
                self._all_came.wait_for(lambda: self._coming == 0, PATIENCE)
                group, self._waiting = self._waiting, []
            self._settle(group)
        finally:
            with self._lock:
                self._waiting = [ticket for ticket in self._waiting if ticket is not own]  # it is, if this failed
                self._committing = bool(self._waiting)
                following = self._waiting[:1]
            for ticket in (*following, *group):
                if ticket is not own:
                    ticket.wake.release()

    def _settle(self, group: Sequence[Ticket]) -> None:
        for rights, tickets in _alike(group, lambda ticket: replace(ticket.access, origin=Origin())):
            callers = _alike(tickets, lambda ticket: ticket.access)
            if len(callers) > 1:
                self._store(tickets, partial(self._new, rights, [ticket.access.origin for ticket in tickets]))
            for access, theirs in callers:
                if not theirs[0].outcome:
                    self._store(theirs, partial(self._together, access))

    def _store(self, tickets: Sequence[Ticket], deposit: Callable[[Sequence[Received]], list[Outcome] | None]) -> None:
        """Give all their outcomes, unless `deposit` has none."""
        try:
            outcomes = deposit([ticket.received for ticket in tickets])
        except Exception as error:
            if may_be_committed(error):
                for ticket in tickets:
                    ticket.outcome.append(error)
                return
            log.exception("a group was not stored; its objects are stored one by one", objects=len(tickets))
            for ticket in tickets:
                ticket.outcome.append(self._store_alone(ticket))
        else:
            for ticket, outcome in zip(tickets, outcomes or (), strict=outcomes is not None):
                ticket.outcome.append(outcome)

    def _store_alone(self, ticket: Ticket) -> Outcome | Exception:
        try:
            (outcome,) = self._alone(ticket.access, [ticket.received])
        except Exception as error:  # noqa: BLE001 - raised again in the thread of its association
            return error
        return outcome


def _alike(
    tickets: Sequence[Ticket], key: Callable[[Ticket], AccessContext]
) -> list[tuple[AccessContext, list[Ticket]]]:
    """The tickets by their key, in the order in which each came first."""
    found: dict[AccessContext, list[Ticket]] = {}
    for ticket in tickets:
        found.setdefault(key(ticket), []).append(ticket)
    return list(found.items())
