"""C-MOVE: instances sent to a peer that is named, over an association of their own, for the one who asks.

Spec: PS3.4 C.4.2 (2024d), PS3.7 9.1.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event

import psycopg
import structlog
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.blobs import Archive
from dicomweb.dimse import peers
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context
from dicomweb.dimse.calling import remote_of
from dicomweb.dimse.command import Command, Element, has_data_set, response
from dicomweb.dimse.exchange import Exchange
from dicomweb.dimse.identifier import Gathering
from dicomweb.dimse.operation import Answer, Operation, Status
from dicomweb.dimse.outgoing import Outgoing
from dicomweb.dimse.push import Originator, Push
from dicomweb.dimse.query_retrieve import MOVE, selection
from dicomweb.dimse.requestor import PeerError, Remote
from dicomweb.dimse.suboperations import Outcome, RetrieveStatus, Suboperations, refusal
from dicomweb.dimse.wire import StoppingError
from dicomweb.study.retrieve import Instance, select
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.errors import Category, HealixError

log = structlog.get_logger("dimse")

SERVICE = "C-MOVE"


@dataclass(frozen=True, slots=True)
class MoveService:
    """The service for one caller. `audit` records what is refused and what failed; setting `stop` ends every wait.

    `most` is how many instances one C-MOVE sends.
    """

    caller: Caller
    pool: ConnectionPool[Connection[Row]]
    archive: Archive
    audit: Callable[[AuditRow], None]
    stop: Event
    most: int

    def __call__(self, command: Command, context: Context) -> Operation:
        """Begin to take the identifier, or refuse before it."""
        sop_class = command.get(Element.AffectedSOPClassUID)
        if sop_class != context.abstract_syntax or sop_class not in MOVE:
            return Answer(self.refused(command, Status.SOP_CLASS_NOT_SUPPORTED, "not a SOP class of C-MOVE"))
        if not has_data_set(command):
            return Answer(self.refused(command, RetrieveStatus.DOES_NOT_MATCH, "no identifier follows"))
        return Move(self, command)

    def refused(self, command: Command, status: int, message: str, detail: str | None = None) -> Command:
        """The response to a request that is refused as a whole, which goes into audit trail and log."""
        destination = _destination(command)
        log.info("C-MOVE refused", destination=destination, reason=detail or message)
        self.audit(AuditRow(self.caller.access.origin, "R", SERVICE, outcome=4, query=f"to {destination}: {message}"))
        return response(command, status, message)


class Move:
    """One C-MOVE under way."""

    def __init__(self, service: MoveService, command: Command) -> None:
        self._service = service
        self._command = command
        self._gathering = Gathering()

    def write(self, data: memoryview) -> None:
        """A piece of the identifier."""
        self._gathering.write(data)

    def finish(self, exchange: Exchange) -> None:
        """Find the instances and send them."""
        try:
            remote, instances = self._asked(exchange.context)
        except HealixError as error:
            exchange.respond(self._service.refused(self._command, refusal(error), error.message, error.detail))
        except psycopg.Error as error:
            message = "the database is not available"
            status = RetrieveStatus.CANNOT_COUNT
            exchange.respond(self._service.refused(self._command, status, message, str(error)))
        else:
            if remote is None:
                status, message = RetrieveStatus.DESTINATION_UNKNOWN, "the move destination is no known peer"
                exchange.respond(self._service.refused(self._command, status, message))
            else:
                self._move(exchange, remote, instances)

    def cancel(self) -> None:
        """Nothing is held."""

    def _asked(self, context: Context) -> tuple[Remote | None, Sequence[Instance]]:
        """Where to, and what: nothing is looked for when the destination is unknown."""
        service = self._service
        identifier = self._gathering.identifier(context.transfer_syntax)
        keys = selection(identifier, MOVE[context.abstract_syntax], context.extended)
        destination = _destination(self._command)
        peer = transaction(service.pool, lambda: peers.find(destination))
        if peer is None:
            return None, ()
        try:
            remote = remote_of(peer)
        except HealixError as error:  # our own certificates: no fault of the request
            raise HealixError(Category.UNAVAILABLE, "the destination cannot be called", detail=error.message) from error
        access = service.caller.access
        return remote, transaction(service.pool, lambda: select(access, keys, receiver=destination, most=service.most))

    def _move(self, exchange: Exchange, remote: Remote, instances: Sequence[Instance]) -> None:
        service = self._service
        count = Suboperations(len(instances))
        push = Push(
            remote,
            Outgoing(service.archive, service.pool, service.caller.access),
            Originator(service.caller.aet, int(self._command.get(Element.MessageID, 0))),
            exchange.is_cancelled,
            stop=service.stop,
        )
        try:
            for sent in push.send(instances):
                count.count(sent.instance.instance, sent.status)
                if sent.outcome is Outcome.FAILED:
                    log.warning("an instance was not sent", entity=sent.instance.instance, reason=sent.message)
                if count.remaining:
                    exchange.respond(count.pending(self._command))
        except PeerError as error:  # nothing but the end of the server
            raise StoppingError from error
        if count.failed:
            said = f"to {remote.aet}: {len(count.failed)} of {len(instances)} instances failed"
            service.audit(AuditRow(service.caller.access.origin, "R", SERVICE, outcome=8, query=said))
        last = count.last(self._command, cancelled=exchange.is_cancelled())
        exchange.respond(last, count.identifier(exchange.context.transfer_syntax))


def _destination(command: Command) -> str:
    return str(command.get(Element.MoveDestination, "")).strip()
