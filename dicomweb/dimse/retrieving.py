"""The Query/Retrieve service as its SCU: what a peer has, and having it sent here; and what is on a peer's worklist.

Spec: PS3.4 C.4.1.2, C.4.2.2 and K.4.1.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Event

from dicomweb.dicomjson.model import Member, Members
from dicomweb.dimse.command import Command, CommandField, Element, Priority
from dicomweb.dimse.identifier import SYNTAXES, parse, write
from dicomweb.dimse.query_retrieve import QUERY_RETRIEVE_LEVEL, UNIQUE, Entity
from dicomweb.dimse.requestor import Failure, PeerError, Remote, Response, associate
from dicomweb.dimse.suboperations import FAILED_SOP_INSTANCES, RetrieveStatus
from dicomweb.status import SUCCESS
from healix_fhir.kernel.errors import Category, HealixError

FIND, MOVE = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2"
"""The SOP classes of Study Root, which every archive has."""
MOST_LATE = 10_000
"""Matches that may still come when a query was cancelled."""


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a C-MOVE or C-GET is: its status, the counts of sub-operations, and at the end those that failed."""

    status: int
    remaining: int
    completed: int
    failed: int
    warning: int
    comment: str = ""
    instances: Sequence[str] = ()

    @property
    def is_last(self) -> bool:
        """Whether nothing more comes."""
        return self.status != RetrieveStatus.PENDING

    @property
    def total(self) -> int:
        """How many sub-operations there are, as far as the peer says."""
        return self.remaining + self.completed + self.failed + self.warning


def keys(entity: Entity, uids: Sequence[str]) -> Members:
    """The identifier of a study, a series or an instance, by the UIDs from the study down."""
    found: Members = {QUERY_RETRIEVE_LEVEL: Member("CS", [entity.value])}
    for level, uid in zip((Entity.STUDY, Entity.SERIES, Entity.IMAGE), uids, strict=False):
        found[UNIQUE[level][1]] = Member("UI", [uid])
    return found


def found(
    remote: Remote,
    identifier: Members,
    *,
    most: int,
    sop_class: str = FIND,
    priority: int = Priority.MEDIUM,
    stop: Event | None = None,
) -> Iterator[Members]:
    """The matches that a peer has, at most so many. Raises PeerError, and Unprocessable for what it refuses."""
    with associate(remote, [(sop_class, SYNTAXES)], stop=stop) as requestor:
        context = requestor.needed(sop_class)
        request: Command = {
            Element.AffectedSOPClassUID: sop_class,
            Element.CommandField: CommandField.C_FIND_RQ,
            Element.Priority: priority,
        }
        count = 0
        message_id = requestor.request(context, request, [write(identifier, context.transfer_syntax)])
        while (response := requestor.response(message_id)).is_pending:
            count += 1
            if response.data_set is not None and count <= most:
                yield parse(response.data_set, response.context.transfer_syntax).members
            if count == most:
                requestor.cancel(context, message_id)
            if count > most + MOST_LATE:
                raise PeerError(Failure.CONFUSED, f"{remote} goes on with a query that was cancelled", transient=False)
        if response.status not in (SUCCESS, RetrieveStatus.CANCELLED):
            raise refused(remote, response)


def moved(
    remote: Remote,
    identifier: Members,
    destination: str,
    *,
    priority: int = Priority.MEDIUM,
    leave_off: Callable[[], bool] = lambda: False,
    stop: Event | None = None,
) -> Iterator[Moved]:
    """Have a peer send what an identifier names to `destination`, which it knows; how far it is, until the last.

    `leave_off` is asked after each response, and cancels. Raises PeerError, and Unprocessable for what is refused.
    """
    with associate(remote, [(MOVE, SYNTAXES)], stop=stop) as requestor:
        context = requestor.needed(MOVE)
        request: Command = {
            Element.AffectedSOPClassUID: MOVE,
            Element.CommandField: CommandField.C_MOVE_RQ,
            Element.Priority: priority,
            Element.MoveDestination: destination,
        }
        message_id = requestor.request(context, request, [write(identifier, context.transfer_syntax)])
        cancelled = False
        while (response := requestor.response(message_id)).is_pending:
            yield counted(response)
            if not cancelled and leave_off():
                requestor.cancel(context, message_id)
                cancelled = True
        last = counted(response)
        if last.status not in ENDS and not last.total:
            raise refused(remote, response)
        yield last


ENDS = frozenset({RetrieveStatus.SUCCESS, RetrieveStatus.WARNING, RetrieveStatus.CANCELLED, RetrieveStatus.CANNOT_SEND})
"""Last statuses of what was begun."""


def refused(remote: Remote, response: Response) -> HealixError:
    """What a peer says to a request that it refuses."""
    said = f"{remote} refuses with {response.status:04X}H {response.comment}".rstrip()
    return HealixError(Category.UNPROCESSABLE, said)


def counted(response: Response) -> Moved:
    """How far it is, by a response to C-MOVE or C-GET."""

    def number(element: Element) -> int:
        return int(response.command.get(element, 0))

    failed: Sequence[str] = ()
    if response.data_set:
        members: Mapping[int, Member] = parse(response.data_set, response.context.transfer_syntax).members
        if FAILED_SOP_INSTANCES in members:
            failed = [str(uid) for uid in members[FAILED_SOP_INSTANCES].values]
    return Moved(
        response.status,
        number(Element.NumberOfRemainingSuboperations),
        number(Element.NumberOfCompletedSuboperations),
        number(Element.NumberOfFailedSuboperations),
        number(Element.NumberOfWarningSuboperations),
        response.comment,
        failed,
    )
