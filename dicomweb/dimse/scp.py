"""The DIMSE process: associations accepted on one port, or on a second one over TLS, served over the study store.

`run` is what `healix dimse` and `healix serve` call. `Scp` serves single connections and is what it is made of.
"""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from threading import Event
from typing import TypeVar

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dimse import non_patient
from dicomweb.dimse.admission import Call, Caller, House, Rejection, admit
from dicomweb.dimse.associate import OUR_TITLE, Reject, Request, accept, decode, reject
from dicomweb.dimse.association import Association
from dicomweb.dimse.command import CommandField
from dicomweb.dimse.commit import CommitService
from dicomweb.dimse.commitment_outcome import OutcomeService
from dicomweb.dimse.contexts import MODALITY_WORKLIST, negotiate, with_further
from dicomweb.dimse.data_transfer import DataTransfer
from dicomweb.dimse.door import Door, listen
from dicomweb.dimse.echo import echo
from dicomweb.dimse.find import Search, find_service
from dicomweb.dimse.gate import Gate
from dicomweb.dimse.get import get
from dicomweb.dimse.group_commit import Deposit, GroupCommit
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.move import move
from dicomweb.dimse.mpps import OPERATIONS as MPPS_OPERATIONS
from dicomweb.dimse.mpps import MppsService
from dicomweb.dimse.non_patient import non_patient_query_service
from dicomweb.dimse.operation import Service, by_class
from dicomweb.dimse.pdu import AbortSource, ProtocolError, abort
from dicomweb.dimse.peers import Right
from dicomweb.dimse.reception import reception
from dicomweb.dimse.refusals import ABORTED, ASSOCIATE, Refusals
from dicomweb.dimse.store import StoreService
from dicomweb.dimse.tls import renewing
from dicomweb.dimse.ups import OPERATIONS
from dicomweb.dimse.wire import ClosedError, Wire, wire_of
from dicomweb.dimse.workitem import WorkitemService
from dicomweb.dimse.workitem_find import workitem_query_service
from dicomweb.dimse.worklist import worklist_service
from dicomweb.study.receive import Receiver
from dicomweb.workitem.create import PatientFinder
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Work, at_once, one, open_pool, transaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.log import bound_contextvars, get_logger
from healix_fhir.kernel.settings import Settings
from healix_fhir.kernel.standby import Where
from healix_fhir.kernel.standby_thread import StandbyThread, standby_thread
from healix_fhir.kernel.tracing import span

T = TypeVar("T")
log = get_logger("dimse")

POOL_SIZE = 4
SWITCH_INTERVAL = 0.002
"""A thread that has received a PDU waits at most this long (seconds) for another one that computes."""


@dataclass(frozen=True)
class Scp:
    """Serves associations; one for each process, shared by their threads."""

    pool: ConnectionPool[Connection[Row]]
    receiver: Receiver
    commit: GroupCommit
    apart: Deposit
    house: House
    services: Mapping[str, Right]
    limits: Limits
    refusals: Refusals
    stop: Event
    find_patient: PatientFinder
    standby: StandbyThread | None = None

    def serve(self, connection: socket.socket, body: bytes, address: str) -> None:
        """One association, from the body of its A-ASSOCIATE-RQ to its end. Does not raise."""
        secure = isinstance(connection, ssl.SSLSocket)
        wire = wire_of(connection, limit=self.limits.pdu, stop=self.stop)
        with bound_contextvars(address=address), suppress(ClosedError):
            try:
                self._associate(wire, Call(decode(body), address, secure))
            except ProtocolError as error:
                log.info("association request refused", reason=str(error))
                self.refusals.refused(Origin(address=address), ASSOCIATE, str(error))
                wire.write(abort(AbortSource.SERVICE_PROVIDER, error.reason))
            except psycopg.Error:
                log.exception("association request failed")
                wire.write(reject(Reject.TEMPORARY_CONGESTION))

    def _associate(self, wire: Wire, call: Call) -> None:
        request = call.request
        try:
            verdict = at_once(self.pool, admit(self.house, call))
            if isinstance(verdict, Rejection):
                log.info("association rejected", calling=request.calling, called=request.called, reason=verdict.why)
                self.refusals.refused(Origin(request.calling, address=call.address), ASSOCIATE, verdict.why)
                wire.write(reject(verdict.reject))
                return
            told = {"calling": verdict.aet, "called": request.called}
            with bound_contextvars(calling=verdict.aet), span("association", **told):
                self._converse(wire, request, verdict)
        finally:
            self.house.presence.leave(call)

    def _converse(self, wire: Wire, request: Request, caller: Caller) -> None:
        agreed = negotiate(request, caller.rights, self.services)
        wire.write(accept(request, agreed, self.limits.pdu))
        aborted = partial(self.refusals.refused, caller.access.origin, ABORTED)
        transfer = DataTransfer(wire, request.maximum)
        Association(transfer, agreed.accepted, self._services(caller), self.limits, aborted).run()

    def _services(self, caller: Caller) -> dict[CommandField, Service]:
        archive, most = self.receiver.archive, self.limits.instances
        workitems = WorkitemService(caller, self.pool, self.find_patient, self._audit)
        of_workitems = dict.fromkeys(OPERATIONS, workitems)
        queries = workitem_query_service(caller, self._looked_up, self.limits.matches, self._audit)
        apart = non_patient_query_service(caller, self._looked_up, self.limits.matches, self._audit)
        worklists: dict[str, Service] = {
            **dict.fromkeys(non_patient.FIND, apart),
            MODALITY_WORKLIST: worklist_service(caller, self._looked_up, self._audit),
            **dict.fromkeys(OPERATIONS, queries),
        }
        steps = MppsService(caller, self.pool, self._audit)
        return {
            CommandField.C_ECHO_RQ: echo(caller.access.origin, self._audit),
            CommandField.C_STORE_RQ: StoreService(
                caller, self._storage, self.receiver, self.commit, self._audit, apart=self.apart
            ),
            CommandField.N_ACTION_RQ: by_class(of_workitems, CommitService(caller, self.pool, self._audit)),
            CommandField.C_MOVE_RQ: move(caller, self.pool, self._selected, archive, self._audit, most, self.stop),
            CommandField.C_GET_RQ: get(caller, self.pool, self._selected, archive, self._audit, most),
            CommandField.C_FIND_RQ: by_class(worklists, find_service(caller, self._search(), self._audit)),
            CommandField.N_EVENT_REPORT_RQ: OutcomeService(caller.aet, caller.access.origin, self.pool, self._audit),
            **dict.fromkeys(MPPS_OPERATIONS, by_class(of_workitems, steps)),
        }

    def _search(self) -> Search:
        return Search(self._looked_up, self.house.aet, self.receiver.catalogue, self.limits.matches)

    def _looked_up(self, make: Callable[[], Work[T]]) -> T:
        """The result of a query, which writes nothing but audit rows; each statement by itself."""
        if self.standby is not None and (done := self.standby.read(make)) is not None:
            return done.result
        return at_once(self.pool, make())

    def _selected(self, make: Callable[[], Work[T]]) -> T:
        """The result of what is on record only if it is not refused in the end."""
        if self.standby is not None and (done := self.standby.read(make, together=True)) is not None:
            return done.result
        return transaction(self.pool, make)

    @cached_property
    def _storage(self) -> frozenset[str]:
        """The SOP classes of what may be stored."""
        return frozenset(uid for uid, right in self.services.items() if right is Right.STORE)

    def _audit(self, row: AuditRow) -> None:
        try:
            transaction(self.pool, partial(one, record([row])))
        except psycopg.Error:
            log.exception("a refusal could not be audited", entity=row.entity)


def make(
    settings: Settings,
    pool: ConnectionPool[Connection[Row]],
    limits: Limits,
    refusals: Refusals,
    stop: Event,
    find_patient: PatientFinder,
    standby: StandbyThread | None = None,
) -> Scp:
    """The service over the database of `pool` and the archive of the settings; `find_patient` knows whom a PatientID
    means. Queries and selections are made on the `standby` where there is one.
    """
    taken = reception(settings, pool, most=limits.data_set)
    return Scp(
        pool=pool,
        receiver=taken.receiver,
        commit=taken.commit,
        apart=taken.apart,
        house=House(OUR_TITLE, settings.dimse_unknown_callers),
        services=with_further(settings.dimse_storage_classes),
        limits=limits,
        refusals=refusals,
        stop=stop,
        find_patient=find_patient,
        standby=standby,
    )


def gate(doors: Sequence[Door], scp: Scp) -> Gate:
    """The one gate of the service, whichever door a peer comes to."""
    return Gate(
        doors,
        scp.serve,
        scp.limits,
        lambda address, reason: scp.refusals.refused(Origin(address=address), ASSOCIATE, reason),
    )


def _ports(settings: Settings) -> dict[int, Callable[[], ssl.SSLContext] | None]:
    """The ports that are listened on, each with what is spoken there where that is TLS. Raises Invalid."""
    tls = renewing(settings)
    return {settings.dimse_port: None} | ({settings.dimse_tls_port: tls} if tls is not None else {})


def run(
    settings: Settings, stop: Event, find_patient: PatientFinder, on_standby: Callable[[Where], None] = lambda _: None
) -> None:
    """Serve on the settings' host and DIMSE ports until `stop` is set; messages under way get time to end.
    `on_standby` is called with what became of each query that a standby might have made.

    Raises Unavailable when a port is taken, Invalid when the settings of TLS cannot be.
    """
    associations = settings.dimse_max_associations
    limits = Limits(
        associations=associations,
        per_address=max(1, associations * 3 // 4),
        data_set=settings.max_store_gb << 30,
    )
    sys.setswitchinterval(SWITCH_INTERVAL)
    with (
        ExitStack() as listening,
        open_pool(settings.database_url, size=POOL_SIZE, seconds=settings.statement_seconds) as pool,
        Refusals(pool) as refusals,
        _standby(settings, on_standby) as standby,
    ):
        doors = [_door(listening, settings.host, port, tls) for port, tls in _ports(settings).items()]
        gate(doors, make(settings, pool, limits, refusals, stop, find_patient, standby)).run(stop)


@contextmanager
def _standby(settings: Settings, told: Callable[[Where], None]) -> Iterator[StandbyThread | None]:
    """That of the settings, None where none is set."""
    if not settings.database_replica_url:
        yield None
        return
    urls = settings.database_replica_url, settings.database_url
    with standby_thread(*urls, seconds=settings.statement_seconds, told=told) as standby:
        yield standby


def _door(listening: ExitStack, host: str, port: int, tls: Callable[[], ssl.SSLContext] | None) -> Door:
    """A door that is open until `listening` ends."""
    try:
        listener = listening.enter_context(listen(host, port))
    except OSError as error:
        raise HealixError(Category.UNAVAILABLE, f"cannot listen on {host}:{port}: {error.strerror}") from error
    log.info("listening", host=host, port=port, aet=OUR_TITLE, tls=tls is not None)
    return Door(listener, tls)
