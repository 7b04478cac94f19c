"""Storage commitment as its SCP: N-ACTION asks to keep instances, and is answered once that is written down.

What becomes of it is told later, on an association of its own (dicomweb/dimse/commitment_report.py): the peer may end
its association as soon as it has this response.

Spec: PS3.4 J.3.2 (2024d), PS3.7 10.1.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool, PoolTimeout

from dicomweb.commitment.asked import WORD, request
from dicomweb.commitment.references import LONGEST, Request, read
from dicomweb.dimse import peers
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, Element, has_data_set, response
from dicomweb.dimse.contexts import COMMITMENT
from dicomweb.dimse.exchange import Exchange
from dicomweb.dimse.operation import Answer, Operation, Status
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Row, Work, transaction
from healix_fhir.kernel.errors import Category, HealixError, forbidden
from healix_fhir.kernel.log import get_logger

log = get_logger("dimse")

WELL_KNOWN = f"{COMMITMENT}.1"
"""The well-known instance to which every request goes. Spec: PS3.4 J.3.5 (2024d)"""
REQUEST = 1
"""The one action type. Spec: PS3.4 Table J.3-1 (2024d)"""


class ActionStatus(IntEnum):
    """Why a request is not taken. Spec: PS3.7 10.1.4.1.10 (2024d)"""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_SOP_INSTANCE = 0x0112
    INVALID_ARGUMENT_VALUE = 0x0115
    NO_SUCH_SOP_CLASS = 0x0118
    NO_SUCH_ACTION = 0x0123
    NOT_AUTHORIZED = 0x0124
    RESOURCE_LIMITATION = 0x0213


STATUS = {
    Category.FORBIDDEN: ActionStatus.NOT_AUTHORIZED,
    Category.TOO_LARGE: ActionStatus.RESOURCE_LIMITATION,
    Category.INVALID: ActionStatus.INVALID_ARGUMENT_VALUE,
}
"""The others are failures of ours."""


class CommitService:
    """The storage commitment service for one caller. `audit` records requests that are not taken."""

    def __init__(
        self, caller: Caller, pool: ConnectionPool[Connection[Row]], audit: Callable[[AuditRow], None]
    ) -> None:
        self._caller = caller
        self._pool = pool
        self._audit = audit

    def __call__(self, command: Command, context: Context) -> Operation:
        """Begin to read the action information, or refuse before it is read."""
        refusal = _refusal(command, context)
        if refusal is not None:
            return Answer(self.refused(command, *refusal))
        return Commit(command, context, self)

    def take(self, command: Command, context: Context, information: bytes) -> Command:
        """The response when the whole action information has arrived; success once the request is durable."""
        try:
            asked = read(information, context.transfer_syntax)
            transaction(self._pool, lambda: self._kept(asked))
        except HealixError as error:
            return self.refused(command, STATUS.get(error.category, ActionStatus.PROCESSING_FAILURE), error.message)
        except (psycopg.Error, PoolTimeout):
            log.exception("a request for storage commitment could not be kept")
            return _answer(command, ActionStatus.PROCESSING_FAILURE, "the database is not available")
        return _answer(command, Status.SUCCESS)

    def _kept(self, asked: Request) -> Work[None]:
        if (yield from peers.find(self._caller.aet)) is None:
            raise forbidden("it is not known where this title can be told of the outcome")
        yield from request(self._caller.access, self._caller.aet, asked)

    def refused(self, command: Command, status: int, message: str) -> Command:
        """The response to a request that is not taken, which goes into audit trail and log."""
        log.info("storage commitment refused", reason=message)
        self._audit(AuditRow(self._caller.access.origin, "E", WORD, outcome=4, query=message))
        return _answer(command, status, message)


class Commit:
    """One N-ACTION under way: its action information is gathered, up to a limit."""

    def __init__(self, command: Command, context: Context, service: CommitService) -> None:
        self._command = command
        self._context = context
        self._service = service
        self._information = bytearray()
        self._is_too_long = False

    def write(self, data: memoryview) -> None:
        """Gather, or drop what is too much."""
        if len(self._information) + len(data) > LONGEST:
            self._is_too_long = True
            self._information.clear()
        if not self._is_too_long:
            self._information += data

    def finish(self, exchange: Exchange) -> None:
        """Take the request."""
        if self._is_too_long:
            message = f"action information of more than {LONGEST >> 20} MB"
            exchange.respond(self._service.refused(self._command, ActionStatus.RESOURCE_LIMITATION, message))
            return
        exchange.respond(self._service.take(self._command, self._context, bytes(self._information)))

    def cancel(self) -> None:
        """Nothing was kept."""


def _refusal(command: Command, context: Context) -> tuple[ActionStatus, str] | None:
    if {command.get(Element.RequestedSOPClassUID), context.abstract_syntax} != {COMMITMENT}:
        return ActionStatus.NO_SUCH_SOP_CLASS, "not the SOP class of storage commitment"
    if command.get(Element.RequestedSOPInstanceUID) != WELL_KNOWN:
        return ActionStatus.NO_SUCH_SOP_INSTANCE, "not the well-known instance of storage commitment"
    if command.get(Element.ActionTypeID) != REQUEST:
        return ActionStatus.NO_SUCH_ACTION, "the action type of a request is 1"
    if not has_data_set(command):
        return ActionStatus.INVALID_ARGUMENT_VALUE, "no action information follows"
    return None


def _answer(command: Command, status: int, comment: str = "") -> Command:
    """The response names class and instance as those affected. Spec: PS3.7 Table 10.3-8 (2024d)"""
    answer = dict(response(command, status, comment))
    for requested, affected in (
        (Element.RequestedSOPClassUID, Element.AffectedSOPClassUID),
        (Element.RequestedSOPInstanceUID, Element.AffectedSOPInstanceUID),
        (Element.ActionTypeID, Element.ActionTypeID),
    ):
        if requested in command:
            answer[affected] = command[requested]
    return answer
