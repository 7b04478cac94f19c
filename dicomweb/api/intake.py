"""What one STOW-RS request brings: objects on their way to the store, and what became of those before.

Spec: PS3.18 10.5 (2024d)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from dicomweb.study.outcome import Disposition, Outcome
from dicomweb.study.receive import FileMeta, Received, Receiver
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.log import get_logger
from smart_auth.access import AccessContext

log = get_logger("dicomweb")

GROUP = 50
LOGGED = 100
"""Refused objects of a request that have a line each in the log: a flood of them is no news."""
WEIGHT = 16 << 20
"""Bytes of metadata that wait for their rows, beside which the objects themselves are on the disk."""


Deposit: TypeAlias = Callable[[AccessContext, Sequence[Received]], Awaitable[list[Outcome]]]


@dataclass(frozen=True, slots=True)
class Failure:
    """An object that was not received: why, and which instance it said it was, where that could be read."""

    error: HealixError
    meta: FileMeta | None = None

    @property
    def instance(self) -> str | None:
        """Its SOPInstanceUID."""
        return self.meta.sop_instance if self.meta is not None else None


class Intake:
    """The objects of one request: each is received by itself, so a bad one does not hold up the others.

    `study` is the one that all must be of, where the address names it. `via`: through which servers they came.
    `deposit` gives them their rows, where they are no images.
    """

    def __init__(
        self, receiver: Receiver, study: str | None, via: Sequence[str] = (), deposit: Deposit | None = None
    ) -> None:
        self.receiver = receiver
        self.deposit = deposit
        self.study = study
        self.via = via
        self.received: list[Received] = []
        self.outcomes: list[Outcome] = []
        self.failures: list[Failure] = []
        self.other_types = 0
        self._told = 0

    def keep(self, received: Received, meta: FileMeta | None) -> None:
        """An object is complete and on the disk."""
        if self.study is not None and received.study != self.study:
            self.receiver.archive.remove([received.key])
            error = HealixError(Category.UNPROCESSABLE, "the instance is of another study than the request")
            self.refuse(error, meta)
            return
        self.received.append(replace(received, via=self.via) if self.via else received)

    def refuse(self, error: HealixError, meta: FileMeta | None = None, *, times: int = 1) -> None:
        """An object is not taken; or so many, of which one line in the log is enough."""
        if times:
            error.__traceback__ = error.__context__ = error.__cause__ = (
                None  # they hold all that there was of the object
            )
            failure = Failure(error, meta)
            self._tell(failure.instance, error.detail or error.message, times)
            self.failures += [failure] * times

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """What became of those that waited for their rows."""
        for one in outcomes:
            if one.status is Disposition.REFUSED:
                self._tell(one.sop_instance, one.message)
        self.outcomes += outcomes

    def _tell(self, instance: str | None, why: str, times: int = 1) -> None:
        if self._told < LOGGED:
            log.info("object refused", entity=instance, reason=why, times=times)
        self._told += 1
        if self._told == LOGGED:
            log.info("further refused objects of this request have no lines of their own")

    @property
    def is_full(self) -> bool:
        """Whether what waits should get its rows first."""
        return len(self.received) >= GROUP or sum(len(one.header.metadata) for one in self.received) >= WEIGHT

    def take(self) -> list[Received]:
        """The objects that wait for their rows."""
        waiting, self.received = self.received, []
        return waiting

    def discard(self) -> None:
        """Drop what has no rows yet: the request failed."""
        if self.received:
            self.receiver.archive.remove([one.key for one in self.take()])
