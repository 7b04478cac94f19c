"""C-GET: instances sent back over the association on which they were asked for.

The peer is the SCP of storage there, in the contexts for which it proposed that role. An instance goes in the transfer
syntax it is stored in where the peer takes that, else in one that it can be written in. Its bytes are streamed.

Spec: PS3.4 C.4.3 and C.5.3 (2024d), PS3.7 9.1.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import psycopg
import structlog
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.blobs import Archive
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, CommandField, Element, has_data_set, response
from dicomweb.dimse.contexts import PREFERENCE
from dicomweb.dimse.exchange import Exchange
from dicomweb.dimse.identifier import Gathering
from dicomweb.dimse.operation import Answer, Operation, Status
from dicomweb.dimse.outgoing import Outgoing
from dicomweb.dimse.query_retrieve import GET, selection
from dicomweb.dimse.suboperations import RetrieveStatus, Suboperations, refusal
from dicomweb.status import Reason, reason
from dicomweb.study.retrieve import Instance, select
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.errors import HealixError

log = structlog.get_logger("dimse")

SERVICE = "C-GET"


@dataclass(frozen=True, slots=True)
class GetService:
    """The service for one caller. `audit` records what is refused and what failed; what is sent is on record itself.

    `most` is how many instances one C-GET sends.
    """

    caller: Caller
    pool: ConnectionPool[Connection[Row]]
    archive: Archive
    audit: Callable[[AuditRow], None]
    most: int

    def __call__(self, command: Command, context: Context) -> Operation:
        """Begin to take the identifier, or refuse before it."""
        sop_class = command.get(Element.AffectedSOPClassUID)
        if sop_class != context.abstract_syntax or sop_class not in GET:
            return Answer(self.refused(command, Status.SOP_CLASS_NOT_SUPPORTED, "not a SOP class of C-GET"))
        if not has_data_set(command):
            return Answer(self.refused(command, RetrieveStatus.DOES_NOT_MATCH, "no identifier follows"))
        return Get(self, command)

    def asked(self, gathering: Gathering, context: Context) -> Sequence[Instance]:
        """The instances that the identifier names, as far as the caller may see. Raises HealixError, psycopg.Error."""
        identifier = gathering.identifier(context.transfer_syntax)
        keys = selection(identifier, GET[context.abstract_syntax], context.extended)
        # in a transaction: what is refused is not on record as retrieved
        return transaction(self.pool, lambda: select(self.caller.access, keys, most=self.most))

    def refused(self, command: Command, status: int, message: str, detail: str | None = None) -> Command:
        """The response to a request that is refused as a whole, which goes into audit trail and log."""
        log.info("C-GET refused", reason=detail or message)
        self.audit(AuditRow(self.caller.access.origin, "R", SERVICE, outcome=4, query=message))
        return response(command, status, message)


class Get:
    """One C-GET under way."""

    def __init__(self, service: GetService, command: Command) -> None:
        self._service = service
        self._command = command
        self._gathering = Gathering()

    def write(self, data: memoryview) -> None:
        """A piece of the identifier."""
        self._gathering.write(data)

    def finish(self, exchange: Exchange) -> None:
        """Find the instances and send them."""
        service = self._service
        try:
            instances = service.asked(self._gathering, exchange.context)
        except HealixError as error:
            exchange.respond(service.refused(self._command, refusal(error), error.message, error.detail))
        except psycopg.Error as error:
            message = "the database is not available"
            exchange.respond(service.refused(self._command, RetrieveStatus.CANNOT_COUNT, message, str(error)))
        else:
            self._send_all(exchange, instances)

    def cancel(self) -> None:
        """Nothing is held."""

    def _send_all(self, exchange: Exchange, instances: Sequence[Instance]) -> None:
        service = self._service
        outgoing = Outgoing(service.archive, service.pool, service.caller.access)
        count = Suboperations(len(instances))
        for one in instances:
            if exchange.is_cancelled():
                break
            count.count(one.instance, _send(exchange, outgoing, one))
            if count.remaining:
                exchange.respond(count.pending(self._command))
        if count.failed:
            said = f"{len(count.failed)} of {len(instances)} instances failed"
            service.audit(AuditRow(service.caller.access.origin, "R", SERVICE, outcome=8, query=said))
        last = count.last(self._command, cancelled=exchange.is_cancelled())
        exchange.respond(last, count.identifier(exchange.context.transfer_syntax))


def _send(exchange: Exchange, outgoing: Outgoing, one: Instance) -> int:
    """The status with which the sub-operation for an instance ends, or that which tells why there is none."""
    status = Reason.SOP_CLASS_NOT_SUPPORTED
    for context in _contexts(exchange, one):
        try:
            data_set = outgoing.data_set(one, context.transfer_syntax)
        except HealixError as error:
            status = reason(error)
            continue
        command: Command = {
            Element.AffectedSOPClassUID: one.sop_class,
            Element.CommandField: CommandField.C_STORE_RQ,
            Element.Priority: 0,
            Element.AffectedSOPInstanceUID: one.instance,
        }
        answer = exchange.ask(context.id, command, data_set)
        return int(answer.get(Element.Status, Reason.PROCESSING_FAILURE))
    log.warning("an instance was not sent", entity=one.instance, status=f"{status:04X}")
    return status


def _contexts(exchange: Exchange, one: Instance) -> Iterator[Context]:
    """The contexts in which the peer takes objects of the class: that of the stored transfer syntax before others."""
    taken = [context for context in exchange.contexts.values() if context.abstract_syntax == one.sop_class]
    able = [context for context in taken if context.roles.scp]
    yield from sorted(
        able,
        key=lambda context: (context.transfer_syntax != one.transfer_syntax, PREFERENCE[context.transfer_syntax]),
    )
