"""Storage commitment as its SCU: the N-EVENT-REPORT of a peer that says what became of a request to it.

It comes on the association of the request, or on one that the peer opens as SCP of the class by role selection. Who may
report needs no right: a report counts where that peer was asked for that transaction, and nowhere else.

Spec: PS3.4 J.3.3 (2024d), PS3.7 10.1.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.commitment.references import reported
from dicomweb.commitment.sought import WORD, settle
from dicomweb.dicomjson.reading import as_json, checked
from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, Element, response
from dicomweb.dimse.commit import WELL_KNOWN
from dicomweb.dimse.commitment_report import FAILURES_EXIST, SUCCESSFUL
from dicomweb.dimse.contexts import COMMITMENT
from dicomweb.dimse.exchange import Exchange
from dicomweb.dimse.identifier import Gathering
from dicomweb.dimse.normalized import durably
from dicomweb.dimse.operation import Operation, Status
from healix_fhir.kernel.audit import AuditRow, Origin
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.log import get_logger

log = get_logger("dimse")


class ReportStatus(IntEnum):
    """Why a report is not taken. Spec: PS3.7 10.1.1.1.8 (2024d)"""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_SOP_INSTANCE = 0x0112
    NO_SUCH_EVENT_TYPE = 0x0113
    INVALID_ARGUMENT_VALUE = 0x0115
    NO_SUCH_SOP_CLASS = 0x0118
    RESOURCE_LIMITATION = 0x0213


STATUS: Mapping[Category, ReportStatus] = {
    Category.INVALID: ReportStatus.INVALID_ARGUMENT_VALUE,
    Category.NOT_FOUND: ReportStatus.INVALID_ARGUMENT_VALUE,
    Category.TOO_LARGE: ReportStatus.RESOURCE_LIMITATION,
}
"""The others are failures of ours."""


@dataclass(frozen=True, slots=True)
class OutcomeService:
    """Reports of the peer `aet`. `audit` records those that are not taken; `origin` is whose they are."""

    aet: str
    origin: Origin
    pool: ConnectionPool[Connection[Row]]
    audit: Callable[[AuditRow], None]

    def __call__(self, command: Command, context: Context) -> Operation:
        """Begin to read the event information."""
        return Report(self, command, context)

    def answer(self, command: Command, context: Context, information: Gathering) -> Command:
        """The response when all of the event information has come; success once it is durable."""
        refusal = _refusal(command, context)
        if refusal is not None:
            return self._refused(command, *refusal)
        try:
            given = checked(as_json(information.identifier(context.transfer_syntax).members))
            outcome = reported(given)
            durably(self.pool, lambda: settle(self.aet, outcome, self.origin))
        except HealixError as error:
            return self._refused(command, STATUS.get(error.category, ReportStatus.PROCESSING_FAILURE), error.message)
        return _answer(command, Status.SUCCESS)

    def _refused(self, command: Command, status: int, message: str) -> Command:
        log.info("report of storage commitment refused", reason=message)
        self.audit(AuditRow(self.origin, "E", WORD, outcome=4, query=message))
        return _answer(command, status, message)


class Report:
    """One N-EVENT-REPORT under way."""

    def __init__(self, service: OutcomeService, command: Command, context: Context) -> None:
        self._service = service
        self._command = command
        self._context = context
        self._information = Gathering()

    def write(self, data: memoryview) -> None:
        """Keep the piece."""
        self._information.write(data)

    def finish(self, exchange: Exchange) -> None:
        """Take the report."""
        exchange.respond(self._service.answer(self._command, self._context, self._information))

    def cancel(self) -> None:
        """Nothing was kept."""


def _refusal(command: Command, context: Context) -> tuple[ReportStatus, str] | None:
    if {command.get(Element.AffectedSOPClassUID), context.abstract_syntax} != {COMMITMENT}:
        return ReportStatus.NO_SUCH_SOP_CLASS, "not the SOP class of storage commitment"
    if command.get(Element.AffectedSOPInstanceUID) != WELL_KNOWN:
        return ReportStatus.NO_SUCH_SOP_INSTANCE, "not the well-known instance of storage commitment"
    if command.get(Element.EventTypeID) not in (SUCCESSFUL, FAILURES_EXIST):
        return ReportStatus.NO_SUCH_EVENT_TYPE, "the event types of a report are 1 and 2"
    return None


def _answer(command: Command, status: int, comment: str = "") -> Command:
    """The response repeats the event type. Spec: PS3.7 Table 10.3-2 (2024d)"""
    answer = dict(response(command, status, comment))
    if Element.EventTypeID in command:
        answer[Element.EventTypeID] = command[Element.EventTypeID]
    return answer
