"""C-STORE as its SCU: any number of instances to one peer, over as few associations as their contexts allow.

Each instance goes in the transfer syntax it is stored in where the peer takes that, else uncompressed. One that the
peer refuses costs the others nothing; an association that breaks is opened again for those that are left.

Spec: PS3.4 B.2 and B.3 (2024d), PS3.7 9.1.1 (2024d)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event

from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, CommandField, Element, Priority
from dicomweb.dimse.outgoing import FALLBACK, Outgoing
from dicomweb.dimse.pdu import Piece
from dicomweb.dimse.propose import MOST_CONTEXTS
from dicomweb.dimse.requestor import Failure, Patience, PeerError, Remote, Requestor, Response, associate
from dicomweb.dimse.suboperations import Outcome, outcome
from dicomweb.status import Reason, reason
from dicomweb.study.retrieve import Instance
from healix_fhir.kernel.errors import Category, HealixError

__all__ = ["Originator", "Outcome", "Push", "Sent"]

OUT_OF_RESOURCES = 0xA7
"""The high byte of the statuses of a peer that has no room for now. Spec: PS3.4 Table B.2-1 (2024d)"""
ATTEMPTS = 3
"""Associations that may break one after the other, each at its first object, before the peer is left."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one instance: the status of its C-STORE, or that which tells why there was none, and words.

    `may_pass`: whether a failure of the peer may pass when it is sent again later; `ours`: whether it is this server
    that could not send it now.
    """

    instance: Instance
    status: int
    message: str = ""
    may_pass: bool = False
    ours: bool = False

    @property
    def outcome(self) -> Outcome:
        """As what it counts."""
        return outcome(self.status)


@dataclass(frozen=True, slots=True)
class Ready:
    """The data set of an instance, and the context in which it goes."""

    context: Context
    data_set: Iterator[Piece]


@dataclass(frozen=True, slots=True)
class Originator:
    """Whose C-MOVE the instances are sent for, and with which priority. Spec: PS3.7 9.1.1.1 (2024d)"""

    aet: str
    message_id: int
    priority: int = Priority.MEDIUM


@dataclass(frozen=True, slots=True)
class Push:
    """Sending to one peer. `leave_off` is asked before each instance; setting `stop` ends every wait."""

    remote: Remote
    outgoing: Outgoing
    originator: Originator | None = None
    leave_off: Callable[[], bool] = lambda: False
    patience: Patience | None = None
    stop: Event | None = None

    def send(self, instances: Sequence[Instance]) -> Iterator[Sent]:
        """What becomes of each instance, in their order, as it becomes known. Raises PeerError only when stopped."""
        for group in groups(instances):
            yield from self._group(deque(group))

    def _group(self, left: deque[Instance]) -> Iterator[Sent]:
        """Send what is `left` of a group, over another association where one breaks."""
        broken = 0
        while left and not self.leave_off():
            before = len(left)
            try:
                yield from self._over_one(left)
            except PeerError as error:
                if error.failure is Failure.STOPPED:
                    raise
                broken = broken + 1 if len(left) == before else 1
                established = error.failure not in (Failure.REJECTED, Failure.UNREACHABLE)
                over = [left.popleft() for _ in range(1 if established and broken < ATTEMPTS else len(left))]
                for one in over:
                    # who takes no associations has refused no instance
                    may_pass = error.transient or not established
                    yield Sent(one, Reason.PROCESSING_FAILURE, error.message, may_pass=may_pass)
            except HealixError as error:  # the archive's, in the middle of a data set
                yield _unsent(left.popleft(), error)

    def _over_one(self, left: deque[Instance]) -> Iterator[Sent]:
        """Send what is `left`; while the peer stores one instance the next is read."""
        with associate(self.remote, offered(left), patience=self.patience, stop=self.stop) as requestor:
            ready = self._ready(requestor, left[0])
            while left and not self.leave_off():
                following: Ready | Sent | None = None
                if isinstance(ready, Ready):
                    message_id = requestor.request(ready.context, self._command(left[0]), ready.data_set)
                    following = self._ready(requestor, left[1]) if len(left) > 1 else None
                    sent = _sent(left[0], requestor.response(message_id))
                else:
                    sent = ready
                left.popleft()
                yield sent
                if left:
                    ready = following or self._ready(requestor, left[0])

    def _ready(self, requestor: Requestor, one: Instance) -> Ready | Sent:
        """An instance that can be sent, or why it cannot."""
        context = taken(requestor, one)
        if context is None:
            status, what = Reason.TRANSFER_SYNTAX_NOT_SUPPORTED, "neither its transfer syntax nor an uncompressed one"
            if requestor.context(one.sop_class) is None:
                status, what = Reason.SOP_CLASS_NOT_SUPPORTED, f"not the SOP class {one.sop_class}"
            return Sent(one, status, f"{self.remote} takes {what}")
        try:
            data_set = self.outgoing.data_set(one, context.transfer_syntax)
        except HealixError as error:
            return _unsent(one, error)
        return Ready(context, data_set)

    def _command(self, one: Instance) -> Command:
        command: dict[int, int | str] = {
            Element.AffectedSOPClassUID: one.sop_class,
            Element.CommandField: CommandField.C_STORE_RQ,
            Element.Priority: Priority.MEDIUM if self.originator is None else self.originator.priority,
            Element.AffectedSOPInstanceUID: one.instance,
        }
        if self.originator is not None:
            command[Element.MoveOriginatorApplicationEntityTitle] = self.originator.aet
            command[Element.MoveOriginatorMessageID] = self.originator.message_id
        return command


def _unsent(one: Instance, error: HealixError) -> Sent:
    return Sent(one, reason(error), error.message, ours=error.category in (Category.UNAVAILABLE, Category.BUSY))


def _sent(one: Instance, response: Response) -> Sent:
    may_pass = response.status >> 8 == OUT_OF_RESOURCES
    return Sent(one, response.status, response.comment, may_pass=may_pass)


def taken(requestor: Requestor, one: Instance) -> Context | None:
    """The context in which an instance goes: that of its own transfer syntax before any other."""
    own = requestor.context(one.sop_class, one.transfer_syntax)
    if own is not None:
        return own
    found = (requestor.context(one.sop_class, syntax) for syntax in FALLBACK)
    return next((context for context in found if context is not None), None)


def groups(instances: Sequence[Instance]) -> Iterator[list[Instance]]:
    """The instances in their order, so many at a time as have contexts on one association."""
    group: list[Instance] = []
    needed: set[tuple[str, str]] = set()
    for one in instances:
        further = needed | set(_contexts(one))
        if len(further) > MOST_CONTEXTS:
            yield group
            group, further = [], set(_contexts(one))
        group.append(one)
        needed = further
    if group:
        yield group


def offered(instances: Sequence[Instance]) -> list[tuple[str, Sequence[str]]]:
    """The contexts for instances: one for each transfer syntax that a SOP class is stored in, and the fallback."""
    needed = dict.fromkeys(context for one in instances for context in _contexts(one))
    return [(sop_class, (syntax,) if syntax else FALLBACK) for sop_class, syntax in needed]


def _contexts(one: Instance) -> tuple[tuple[str, str], tuple[str, str]]:
    return (one.sop_class, one.transfer_syntax), (one.sop_class, "")
