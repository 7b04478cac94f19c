"""Modality Performed Procedure Step: N-CREATE and N-SET of its maker, N-GET of whoever may look.

Spec: PS3.4 F.7 and F.8 (2024d), PS3.7 10.1.2, 10.1.3 and 10.1.5 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dicomjson.reading import DataSet
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, CommandField, Element, has_data_set, response
from dicomweb.dimse.contexts import MPPS, MPPS_RETRIEVE
from dicomweb.dimse.identifier import Gathering
from dicomweb.dimse.normalized import NormalizedOperation, durably
from dicomweb.dimse.operation import Answer, Operation, Status
from dicomweb.procedure.performed.change import change
from dicomweb.procedure.performed.create import create
from dicomweb.procedure.performed.retrieve import retrieve
from dicomweb.procedure.performed.status import Failure, RefusedError
from dicomweb.procedure.scheduled.identifiers import made_uid
from dicomweb.status import SUCCESS
from dicomweb.uid import is_uid
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.log import get_logger

log = get_logger("dimse")

LONGEST, MOST_ELEMENTS = 16 << 20, 400_000
"""Bytes and elements of what a step is created or set with: it names each of its images, of which there may be many
thousand.
"""
OPERATIONS: Mapping[CommandField, str] = {
    CommandField.N_CREATE_RQ: MPPS,
    CommandField.N_SET_RQ: MPPS,
    CommandField.N_GET_RQ: MPPS_RETRIEVE,
}
"""The SOP class of each operation. Spec: PS3.4 Tables F.7.1-1 and F.8.1-1 (2024d)"""
WORDS = {
    CommandField.N_CREATE_RQ: ("C", "performed-step-create"),
    CommandField.N_SET_RQ: ("U", "performed-step-change"),
    CommandField.N_GET_RQ: ("R", "performed-step-retrieve"),
}
STATUS: Mapping[Category, int] = {
    Category.INVALID: Failure.INVALID_ATTRIBUTE_VALUE,
    Category.UNPROCESSABLE: Failure.INVALID_ATTRIBUTE_VALUE,
    Category.FORBIDDEN: Failure.NOT_AUTHORIZED,
    Category.TOO_LARGE: Status.RESOURCE_LIMITATION,
    Category.UNAVAILABLE: Status.RESOURCE_LIMITATION,
    Category.BUSY: Status.RESOURCE_LIMITATION,
    Category.FULL: Status.RESOURCE_LIMITATION,
}
"""The status of what is refused without one of its own; of all other categories 0110H. Spec: PS3.7 Annex C (2024d)"""


@dataclass(frozen=True, slots=True)
class MppsService:
    """Performed steps for one caller. `audit` records what is refused; use cases record themselves."""

    caller: Caller
    pool: ConnectionPool[Connection[Row]]
    audit: Callable[[AuditRow], None]

    def __call__(self, command: Command, context: Context) -> Operation:
        """Begin to read the data set, or refuse before it comes."""
        field = CommandField(int(command[Element.CommandField]))
        sop_class = command.get(Element.AffectedSOPClassUID) or command.get(Element.RequestedSOPClassUID)
        if {sop_class, context.abstract_syntax} != {OPERATIONS[field]}:
            error = RefusedError(Failure.NO_SUCH_CLASS, "not the SOP class of its presentation context")
            return Answer(self.refused(command, error))
        if has_data_set(command) is (field is CommandField.N_GET_RQ):
            word = "a data set follows" if has_data_set(command) else "no data set follows"
            return Answer(self.refused(command, RefusedError(Failure.MISSING_ATTRIBUTE, word)))
        return NormalizedOperation(command, context, self, Gathering(LONGEST, MOST_ELEMENTS))

    def perform(self, command: Command, given: DataSet) -> tuple[Command, DataSet | None]:
        """The response, and what is retrieved. Raises HealixError."""
        field = CommandField(int(command[Element.CommandField]))
        access = self.caller.access
        uid = str(command.get(Element.RequestedSOPInstanceUID, ""))
        if field is CommandField.N_CREATE_RQ:
            uid = str(command.get(Element.AffectedSOPInstanceUID) or made_uid())
            command = {**command, Element.AffectedSOPInstanceUID: uid}
            durably(self.pool, lambda: create(access, uid, given))
        elif field is CommandField.N_SET_RQ:
            durably(self.pool, lambda: change(access, uid, given))
        else:
            tags = str(command.get(Element.AttributeIdentifierList, "")).split("\\")
            found, status = durably(self.pool, lambda: retrieve(access, uid, [tag for tag in tags if tag]))
            return response(command, status), found
        return response(command, SUCCESS), None

    def refused(self, command: Command, error: HealixError) -> Command:
        """The response to what is refused, which goes into audit trail and log."""
        action, word = WORDS[CommandField(int(command[Element.CommandField]))]
        uid = str(command.get(Element.AffectedSOPInstanceUID) or command.get(Element.RequestedSOPInstanceUID) or "")
        log.info("procedure step refused", reason=error.detail or error.message)
        self.audit(AuditRow(self.caller.access.origin, action, word, outcome=4, entity=uid if is_uid(uid) else None))
        known_status = error.status if isinstance(error, RefusedError) else STATUS.get(error.category)
        answer = response(command, known_status or Failure.PROCESSING_FAILURE, error.message)
        if isinstance(error, RefusedError) and error.error_id is not None:
            return {**answer, Element.ErrorID: error.error_id}
        if isinstance(error, RefusedError) and error.missing:
            return {**answer, Element.AttributeIdentifierList: error.missing}
        return answer
