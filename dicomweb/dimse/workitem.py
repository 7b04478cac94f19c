"""Unified Procedure Steps over DIMSE: N-CREATE, N-SET, N-GET and N-ACTION, by the use cases behind UPS-RS.

Spec: PS3.4 CC.2.1 to CC.2.7 (2024d), PS3.7 10.1.2 to 10.1.5 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dicomjson.reading import MEMBER_LIMIT, DataSet
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, CommandField, Element, has_data_set, response
from dicomweb.dimse.identifier import Gathering
from dicomweb.dimse.normalized import NormalizedOperation, durably
from dicomweb.dimse.operation import Answer, Operation
from dicomweb.dimse.speech import UTF_8
from dicomweb.dimse.ups import ACTIONS, OPERATIONS, Action
from dicomweb.dimse.workitem_status import NotTakenError, ServiceStatus, status_of
from dicomweb.dimse.workitem_subscription import subscribe, suspend, unsubscribe
from dicomweb.uid import is_uid
from dicomweb.workitem.attributes import PUSH
from dicomweb.workitem.cancel import request_cancellation
from dicomweb.workitem.change_state import change_state
from dicomweb.workitem.create import PatientFinder, create
from dicomweb.workitem.retrieve import retrieve, selected
from dicomweb.workitem.status import Failure, Success
from dicomweb.workitem.update import update
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Row, Work
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.log import get_logger
from smart_auth.access import AccessContext

log = get_logger("dimse")

LONGEST = 4 << 20
"""Bytes of a data set: as many as UPS-RS takes; of elements likewise."""
WORDS: Mapping[CommandField, tuple[str, str]] = {
    CommandField.N_CREATE_RQ: ("C", "workitem-create"),
    CommandField.N_SET_RQ: ("U", "workitem-update"),
    CommandField.N_GET_RQ: ("R", "workitem-retrieve"),
    CommandField.N_ACTION_RQ: ("U", "workitem-state"),
}
"""What the trail calls what is refused; what is done records itself."""
ACTION_WORDS: Mapping[int, tuple[str, str]] = {
    Action.REQUEST_CANCEL: ("U", "workitem-cancel"),
    Action.SUBSCRIBE: ("C", "workitem-subscribe"),
    Action.UNSUBSCRIBE: ("D", "workitem-unsubscribe"),
    Action.SUSPEND: ("D", "workitem-suspend"),
}
ACT: Mapping[Action, Callable[[AccessContext, str, DataSet], Work[Success]]] = {
    Action.CHANGE_STATE: change_state,
    Action.REQUEST_CANCEL: request_cancellation,
    Action.SUBSCRIBE: subscribe,
    Action.UNSUBSCRIBE: unsubscribe,
    Action.SUSPEND: suspend,
}


@dataclass(frozen=True, slots=True)
class WorkitemService:
    """The worklist for one caller. `audit` records what is refused; use cases record themselves."""

    caller: Caller
    pool: ConnectionPool[Connection[Row]]
    find_patient: PatientFinder
    audit: Callable[[AuditRow], None]

    def __call__(self, command: Command, context: Context) -> Operation:
        """Begin to read the data set, or refuse before it comes."""
        try:
            check(command, context)
        except NotTakenError as error:
            return Answer(self.refused(command, error))
        return NormalizedOperation(command, context, self, Gathering(LONGEST, MEMBER_LIMIT), (UTF_8,))

    def perform(self, command: Command, given: DataSet) -> tuple[Command, DataSet | None]:
        """The response, and what is retrieved. Raises HealixError."""
        field = CommandField(int(command[Element.CommandField]))
        access, uid = self.caller.access, _uid(command)
        if field is CommandField.N_CREATE_RQ:
            made = durably(self.pool, lambda: create(access, uid or None, given, self.find_patient))
            return response({**command, Element.AffectedSOPInstanceUID: made.uid}, made.status), None
        if field is CommandField.N_SET_RQ:
            durably(self.pool, lambda: update(access, uid, None, given))
            return response(command, Success.DONE), None
        if field is CommandField.N_ACTION_RQ:
            act = ACT[Action(int(command[Element.ActionTypeID]))]
            return response(command, durably(self.pool, lambda: act(access, uid, given))), None
        tags = str(command.get(Element.AttributeIdentifierList, "")).split("\\")
        found, status = selected(durably(self.pool, lambda: retrieve(access, uid)), [tag for tag in tags if tag])
        return response(command, status), found

    def refused(self, command: Command, error: HealixError) -> Command:
        """The response to what is refused, which goes into audit trail and log."""
        field = CommandField(int(command[Element.CommandField]))
        action, word = ACTION_WORDS.get(int(command.get(Element.ActionTypeID, 0)), WORDS[field])
        uid = _uid(command)
        log.info("workitem request refused", reason=error.detail or error.message)
        self.audit(AuditRow(self.caller.access.origin, action, word, outcome=4, entity=uid if is_uid(uid) else None))
        return response(command, status_of(error, field), error.message)


def check(command: Command, context: Context) -> None:
    """That a command is one of those that the SOP class of its context has, and whole. Raises NotTakenError."""
    field = CommandField(int(command[Element.CommandField]))
    if field not in OPERATIONS[context.abstract_syntax]:
        message = "the SOP class of the presentation context has no such operation"
        raise NotTakenError(ServiceStatus.UNRECOGNIZED_OPERATION, message)
    if (command.get(Element.AffectedSOPClassUID) or command.get(Element.RequestedSOPClassUID)) != PUSH:
        message = "the SOP class of workitems is UPS Push, whatever their context"
        raise NotTakenError(ServiceStatus.NO_SUCH_SOP_CLASS, message)
    action = command.get(Element.ActionTypeID)
    if field is CommandField.N_ACTION_RQ and action not in ACTIONS[context.abstract_syntax]:
        message = "the SOP class of the presentation context has no such action"
        raise NotTakenError(ServiceStatus.NO_SUCH_ACTION, message)
    uid = _uid(command)
    if not (is_uid(uid) or (field is CommandField.N_CREATE_RQ and not uid)):
        raise NotTakenError(ServiceStatus.INVALID_SOP_INSTANCE, "the SOP Instance UID is no valid UID")
    _check_data_set(command, field, action)


def _check_data_set(command: Command, field: CommandField, action: object) -> None:
    if has_data_set(command):
        if field is CommandField.N_GET_RQ:
            raise NotTakenError(ServiceStatus.MISTYPED_ARGUMENT, "a data set follows")
        return
    if field in (CommandField.N_CREATE_RQ, CommandField.N_SET_RQ):
        raise NotTakenError(Failure.MISSING_ATTRIBUTE, "no data set follows")
    if field is CommandField.N_ACTION_RQ and action != Action.REQUEST_CANCEL:
        raise NotTakenError(ServiceStatus.INVALID_ARGUMENT_VALUE, "no action information follows")


def _uid(command: Command) -> str:
    """The workitem that a command is about; empty where it names none."""
    return str(command.get(Element.AffectedSOPInstanceUID) or command.get(Element.RequestedSOPInstanceUID) or "")
