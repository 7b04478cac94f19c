"""Objects of several associations stored in one transaction: a database commit costs the same for one as for many.

The first association to arrive commits what is there; those that arrive while it does so wait and are the next group,
committed by the first of them. So a lone sender never waits for others, and many senders share commits without a timer
or a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeAlias

from dicomweb.study.receive import Received
from dicomweb.study.store import Outcome
from smart_auth.access import AccessContext

Deposit: TypeAlias = Callable[[AccessContext, Sequence[Received]], list[Outcome]]


@dataclass(slots=True)
class Ticket:
    """An object that waits for its outcome, which is an exception when storing failed."""

    access: AccessContext
    received: Received
    outcome: list[Outcome | Exception] = field(default_factory=list)


class GroupCommit:
    """Stores objects through `deposit`, in groups; for all associations of a process.

    `deposit` stores all of a group or raises and leaves nothing of it.
    """

    def __init__(self, deposit: Deposit) -> None:
        self._deposit = deposit
        self._waiting: list[Ticket] = []
        self._turn = Lock()

    def store(self, access: AccessContext, received: Received) -> Outcome:
        """Store one object: durable when this returns. Raises what `deposit` raises."""
        ticket = Ticket(access, received)
        self._waiting.append(ticket)
        with self._turn:
            if not ticket.outcome:
                group, self._waiting = self._waiting, []
                self._settle(group)
        (outcome,) = ticket.outcome
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _settle(self, group: Sequence[Ticket]) -> None:
        callers: dict[AccessContext, list[Ticket]] = {}
        for ticket in group:
            callers.setdefault(ticket.access, []).append(ticket)
        for access, tickets in callers.items():
            try:
                outcomes = self._deposit(access, [ticket.received for ticket in tickets])
            except Exception as error:  # noqa: BLE001 - raised again in the thread of each
                for ticket in tickets:
                    ticket.outcome.append(error)
            else:
                for ticket, outcome in zip(tickets, outcomes, strict=True):
                    ticket.outcome.append(outcome)
