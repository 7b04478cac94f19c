"""C-GET: instances sent back over the association on which they were asked for.

The peer is the SCP of storage there, in the contexts for which it proposed that role. An instance goes in the transfer
syntax it is stored in where the peer takes that, else in one that it can be written in. Its bytes are streamed.

Spec: PS3.4 C.4.3 and C.5.3 (2024d), PS3.7 9.1.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.blobs import Archive
from dicomweb.dimse import non_patient
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.dimse.contexts import PREFERENCE
from dicomweb.dimse.exchange import Exchange
from dicomweb.dimse.outgoing import Outgoing
from dicomweb.dimse.query_retrieve import GET
from dicomweb.dimse.retrieval import Ended, Retrieval, Run
from dicomweb.dimse.suboperations import priority
from dicomweb.status import Reason, reason
from dicomweb.study.retrieve import Instance
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.log import get_logger

log = get_logger("dimse")


def get(
    caller: Caller,
    pool: ConnectionPool[Connection[Row]],
    run: Run,
    archive: Archive,
    audit: Callable[[AuditRow], None],
    most: int,
) -> Retrieval:
    """C-GET for one caller, of at most so many instances at once."""

    def way(command: Command) -> Back:
        return Back(priority(command))

    return Retrieval("C-GET", GET, non_patient.GET, way, caller, pool, run, archive, audit, most)


@dataclass(frozen=True, slots=True)
class Back:
    """The way back over the association, with that `priority`."""

    priority: int
    destination = None

    def is_known(self) -> bool:
        """It is there."""
        return True

    def send(self, exchange: Exchange, outgoing: Outgoing, instances: Sequence[Instance]) -> Iterator[Ended]:
        """Send one after the other."""
        for one in instances:
            if exchange.is_cancelled():
                return
            yield one.instance, _send(exchange, outgoing, one, self.priority)


def _send(exchange: Exchange, outgoing: Outgoing, one: Instance, priority: int) -> int:
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
            Element.Priority: priority,
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
