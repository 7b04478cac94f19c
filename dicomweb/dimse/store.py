"""C-STORE: a data set streamed into the study store, durable before it is acknowledged.

Spec: PS3.4 B.2 (2024d), PS3.7 9.1.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

import psycopg

from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, Element, has_data_set, response
from dicomweb.dimse.exchange import Exchange
from dicomweb.dimse.group_commit import Deposit, GroupCommit
from dicomweb.dimse.operation import Answer, Operation, Status
from dicomweb.non_patient.models import BY_CLASS
from dicomweb.status import SUCCESS, Reason, reason
from dicomweb.study.receive import FileMeta, Incoming, Received, Receiver
from dicomweb.study.store import Disposition, Outcome
from dicomweb.uid import is_uid
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.log import get_logger

log = get_logger("dimse")

SERVICE = "C-STORE"


class StoreService:
    """The storage of objects of `classes` for one caller. `audit` records what never reaches the study store.

    `check` raises HealixError for an object that is not to be stored. `apart` stores what is of no patient; without it
    nothing of that is taken.
    """

    def __init__(
        self,
        caller: Caller,
        classes: Collection[str],
        receiver: Receiver,
        commit: GroupCommit,
        audit: Callable[[AuditRow], None],
        check: Callable[[Received], None] = lambda _: None,
        apart: Deposit | None = None,
    ) -> None:
        self._caller = caller
        self._classes = classes
        self._receiver = receiver
        self._commit = commit
        self._audit = audit
        self._check = check
        self._apart = apart

    def __call__(self, command: Command, context: Context) -> Operation:
        """Begin to receive, or refuse before the data set is read."""
        sop_class = str(command.get(Element.AffectedSOPClassUID, ""))
        sop_instance = str(command.get(Element.AffectedSOPInstanceUID, ""))
        if sop_class != context.abstract_syntax or sop_class not in self._classes:
            message = "not the SOP class of its presentation context, or none of storage"
            return Answer(self._refused(command, Status.SOP_CLASS_NOT_SUPPORTED, message))
        if not is_uid(sop_instance):
            return Answer(self._refused(command, Status.INVALID_SOP_INSTANCE, "AffectedSOPInstanceUID is not a UID"))
        if not has_data_set(command):
            return Answer(self._refused(command, Reason.CANNOT_UNDERSTAND, "no data set follows"))
        meta = FileMeta(sop_class, sop_instance, context.transfer_syntax, self._caller.aet)
        receiver = self._receiver
        if self._apart is not None and sop_class in BY_CLASS:
            receiver = receiver.of_no_patient(frozenset(BY_CLASS))
        try:
            incoming = receiver.begin(meta)
        except HealixError as error:
            return Answer(self.refused(command, error))
        return Store(command, incoming, self)

    def complete(self, command: Command, incoming: Incoming) -> Command:
        """The response when the whole data set has arrived. Raises HealixError when it is refused."""
        try:
            outcome = self._stored(incoming)
        except psycopg.Error as error:
            raise HealixError(Category.UNAVAILABLE, "the database is not available", detail=str(error)) from error
        if outcome.status is Disposition.REFUSED:
            return response(command, outcome.reason or Reason.PROCESSING_FAILURE, outcome.message)
        return response(command, outcome.caution or SUCCESS, outcome.message)

    def _stored(self, incoming: Incoming) -> Outcome:
        access, meta = self._caller.access, incoming.meta
        if self._apart is not None and meta is not None and meta.sop_class in BY_CLASS:
            (outcome,) = self._apart(access, [incoming.finish(self._check)])
            return outcome
        return self._commit.store(access, partial(incoming.finish, self._check))

    def refused(self, command: Command, error: HealixError) -> Command:
        """The response to an object refused with `error`, which goes into audit trail and log."""
        return self._refused(command, reason(error), error.message, error.detail)

    def _refused(self, command: Command, status: int, message: str, detail: str | None = None) -> Command:
        sop_instance = str(command.get(Element.AffectedSOPInstanceUID, ""))
        entity = sop_instance if is_uid(sop_instance) else None
        log.info("object refused", entity=entity, reason=detail or message)
        self._audit(AuditRow(self._caller.access.origin, "C", SERVICE, outcome=4, entity=entity))
        return response(command, status, message)


class Store:
    """One C-STORE under way. After a failure the rest of the data set is read and dropped, then answered."""

    def __init__(self, command: Command, incoming: Incoming, service: StoreService) -> None:
        self._command = command
        self._incoming = incoming
        self._service = service
        self._failure: HealixError | None = None

    def write(self, data: memoryview) -> None:
        """Hand the piece to the archive."""
        if self._failure is None:
            try:
                self._incoming.write(data)
            except HealixError as error:
                self._incoming.abort()
                self._failure = error

    def finish(self, exchange: Exchange) -> None:
        """Store the object, and tell."""
        exchange.respond(self._stored())

    def _stored(self) -> Command:
        if self._failure is None:
            try:
                return self._service.complete(self._command, self._incoming)
            except HealixError as error:
                self._failure = error
        return self._service.refused(self._command, self._failure)

    def cancel(self) -> None:
        """Drop what has arrived."""
        self._incoming.abort()
