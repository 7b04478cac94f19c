"""C-GET and C-MOVE as their SCP: what both do with a request before its first sub-operation, and what they say of all.

Where the instances go is what they differ in (`Way`).

Spec: PS3.4 C.4.2.3 and C.4.3.3 (2024d), PS3.7 9.1.3 and 9.1.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.blobs import Archive
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, Element, has_data_set, response
from dicomweb.dimse.exchange import Exchange
from dicomweb.dimse.identifier import Gathering
from dicomweb.dimse.non_patient import named
from dicomweb.dimse.operation import Answer, Operation, Status
from dicomweb.dimse.outgoing import Outgoing
from dicomweb.dimse.query_retrieve import Model, selection
from dicomweb.dimse.suboperations import RetrieveStatus, Suboperations, refusal
from dicomweb.non_patient import models as non_patient_models
from dicomweb.non_patient import retrieve as non_patient
from dicomweb.study.retrieve import Instance, select
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Row, Work
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.log import get_logger

log = get_logger("dimse")

Ended = tuple[str, int]
"""The SOP Instance UID of an instance, and the status of its C-STORE, or that which tells why there was none."""
Run = Callable[[Callable[[], Work[list[Instance]]]], list[Instance]]
"""What runs the use case that selects the instances."""


class Way(Protocol):
    """How the instances of one request leave."""

    @property
    def destination(self) -> str | None:
        """The AE title they are sent to, None for the caller's own association."""

    def is_known(self) -> bool:
        """Whether there is a way; nothing is looked for where there is none. Raises HealixError, psycopg.Error."""

    def send(self, exchange: Exchange, outgoing: Outgoing, instances: Sequence[Instance]) -> Iterator[Ended]:
        """Send them in turn until the request is cancelled; what became of each as it becomes known."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The service `name` for one caller: `models` by SOP class, those of what is of no patient `apart`, and by which
    `way` a request is served.

    `run` selects in a transaction. `audit` records what is refused and what failed; what is sent is on record itself.
    `most` is how many instances one request is given.
    """

    name: str
    models: Mapping[str, Model]
    apart: Mapping[str, non_patient_models.Model]
    way: Callable[[Command], Way]
    caller: Caller
    pool: ConnectionPool[Connection[Row]]
    run: Run
    archive: Archive
    audit: Callable[[AuditRow], None]
    most: int

    def __call__(self, command: Command, context: Context) -> Operation:
        """Begin to take the identifier, or refuse before it."""
        way = self.way(command)
        sop_class = command.get(Element.AffectedSOPClassUID)
        if sop_class != context.abstract_syntax or (sop_class not in self.models and sop_class not in self.apart):
            message = f"not a SOP class of {self.name}"
            return Answer(self.refused(command, way, Status.SOP_CLASS_NOT_SUPPORTED, message))
        if not has_data_set(command):
            return Answer(self.refused(command, way, RetrieveStatus.DOES_NOT_MATCH, "no identifier follows"))
        return Retrieving(self, command, way)

    def asked(self, gathering: Gathering, context: Context, way: Way) -> Sequence[Instance] | None:
        """The instances that the identifier names, as far as the caller may see; None where there is no way for them.

        Raises HealixError, psycopg.Error.
        """
        identifier = gathering.identifier(context.transfer_syntax)
        access, receiver, most = self.caller.access, way.destination, self.most
        if (model := self.apart.get(context.abstract_syntax)) is not None:
            chosen = partial(non_patient.select, access, model.classes, named(identifier))
        else:
            keys = selection(identifier, self.models[context.abstract_syntax], context.extended)
            chosen = partial(select, access, keys)
        if not way.is_known():
            return None
        # in a transaction: what is refused is not on record as retrieved
        return self.run(lambda: chosen(receiver=receiver, most=most))

    def refused(self, command: Command, way: Way, status: int, message: str, detail: str | None = None) -> Command:
        """The response to a request that is refused as a whole, which goes into audit trail and log."""
        log.info(f"{self.name} refused", destination=way.destination, reason=detail or message)
        self.record(way, 4, message)
        return response(command, status, message)

    def record(self, way: Way, outcome: int, message: str) -> None:
        """Put what went wrong into the audit trail."""
        said = message if way.destination is None else f"to {way.destination}: {message}"
        self.audit(AuditRow(self.caller.access.origin, "R", self.name, outcome=outcome, query=said))


class Retrieving:
    """One request under way."""

    def __init__(self, service: Retrieval, command: Command, way: Way) -> None:
        self._service = service
        self._command = command
        self._way = way
        self._gathering = Gathering()

    def write(self, data: memoryview) -> None:
        """A piece of the identifier."""
        self._gathering.write(data)

    def finish(self, exchange: Exchange) -> None:
        """Find the instances and send them."""
        try:
            instances = self._service.asked(self._gathering, exchange.context, self._way)
        except HealixError as error:
            self._refuse(exchange, refusal(error), error.message, error.detail)
        except psycopg.Error as error:
            self._refuse(exchange, RetrieveStatus.CANNOT_COUNT, "the database is not available", str(error))
        else:
            if instances is None:
                message = "the move destination is no known peer"
                self._refuse(exchange, RetrieveStatus.DESTINATION_UNKNOWN, message)
            else:
                self._send(exchange, instances)

    def cancel(self) -> None:
        """Nothing is held."""

    def _refuse(self, exchange: Exchange, status: int, message: str, detail: str | None = None) -> None:
        exchange.respond(self._service.refused(self._command, self._way, status, message, detail))

    def _send(self, exchange: Exchange, instances: Sequence[Instance]) -> None:
        service = self._service
        outgoing = Outgoing(service.archive, service.pool, service.caller.access)
        count = Suboperations(len(instances))
        for uid, status in self._way.send(exchange, outgoing, instances):
            count.count(uid, status)
            if count.remaining:
                exchange.respond(count.pending(self._command))
        if count.failed:
            service.record(self._way, 8, f"{len(count.failed)} of {len(instances)} instances failed")
        last = count.last(self._command, cancelled=exchange.is_cancelled())
        exchange.respond(last, count.identifier(exchange.context.transfer_syntax))
