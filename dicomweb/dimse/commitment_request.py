"""Storage commitment as its SCU: asking a peer by N-ACTION whether it takes responsibility for what was sent to it.

The errand that follows a push. It waits for the peer's report, which may come at once on the same association or later
on another one (commitment_outcome.py), and ends with what the peer said: done when all is committed, given up when
something is not, or when no report comes.

Spec: PS3.4 J.3.2 (2024d), PS3.7 10.1.4 (2024d)
"""

from __future__ import annotations

from threading import Event

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.commitment.sought import PATIENCE, Sought, find, taken
from dicomweb.dicomjson.implicit import sequence, uid
from dicomweb.dimse.calling import SUCCESS, calling, succeeded
from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.dimse.commit import REQUEST, WELL_KNOWN
from dicomweb.dimse.commitment_outcome import OutcomeService
from dicomweb.dimse.contexts import COMMITMENT
from dicomweb.dimse.identifier import Gathering
from dicomweb.dimse.requestor import Failure, Message, PeerError, Requestor, Response
from dicomweb.errand.queue import Errand, Kind
from dicomweb.errand.work import SENDER, WORDS, AwayError, Done, Performer, RefusedError
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, one, run

MOMENT = 2.0
"""Seconds for which a report on the association of the request is waited for."""
REPORTS = 16
"""Reports that are heard before the response: they may be about other requests."""
PAUSE = 600.0
"""Seconds after which an errand looks whether it waits in vain; a report wakes it."""


def seeker(pool: ConnectionPool[Connection[Row]], stop: Event) -> Performer:
    """What asks one peer about one part of a push."""

    def ask(connection: Connection[Row], errand: Errand) -> Done:
        sought = run(connection, find(errand.receiver, errand.rule))
        if sought is None:
            return Done()
        if sought.failed is None and (sought.asked is None or sought.asked < errand.asked):  # or asked for anew
            sought = _asked(connection, errand, sought, pool, stop)
        if sought.failed:
            raise RefusedError(sought.said, final=True)
        if sought.failed is not None:
            return Done(note=sought.said)
        if sought.is_overdue:
            raise RefusedError(f"{errand.receiver} did not report within {PATIENCE}", final=True)
        return Done(again=PAUSE, note=f"{len(sought.references)} asked for, not reported yet")

    return ask


def command() -> Command:
    """The command set of the request."""
    return {
        Element.CommandField: CommandField.N_ACTION_RQ,
        Element.RequestedSOPClassUID: COMMITMENT,
        Element.RequestedSOPInstanceUID: WELL_KNOWN,
        Element.ActionTypeID: REQUEST,
    }


def data_set(sought: Sought) -> bytes:
    """The action information, in implicit VR little endian. Spec: PS3.4 Table J.3-1 (2024d)"""
    items = (uid(0x00081150, one.sop_class) + uid(0x00081155, one.sop_instance) for one in sought.references)
    return uid(0x00081195, sought.transaction_uid) + sequence(0x00081199, items)


def _asked(
    connection: Connection[Row], errand: Errand, sought: Sought, pool: ConnectionPool[Connection[Row]], stop: Event
) -> Sought:
    """Ask, and hear what the peer says of it at once: how the request stands then.

    A peer that has reported took the request, however the association ended, and whether or not it said so.
    """
    try:
        _ask(connection, errand, sought, pool, stop)
    except (AwayError, RefusedError):
        now = run(connection, find(errand.receiver, errand.rule))
        if now is None or now.failed is None:
            raise
        if now.asked == sought.asked:
            _take(connection, errand, sought)
        return now
    return run(connection, find(errand.receiver, errand.rule)) or sought


def _ask(
    connection: Connection[Row], errand: Errand, sought: Sought, pool: ConnectionPool[Connection[Row]], stop: Event
) -> None:
    """How the association ends does not matter once the peer has taken the request."""
    service = _service(connection, errand, pool)
    is_taken = False
    try:
        with calling(connection, errand.receiver, COMMITMENT, stop) as association:
            message_id = association.request(association.needed(COMMITMENT), command(), [data_set(sought)])
            response = _response(association, message_id, service)
            if response.status == SUCCESS:
                _take(connection, errand, sought)
                is_taken = True
                now = run(connection, find(errand.receiver, errand.rule))
                if now is not None and now.failed is None:
                    _hear(association, service)
    except (AwayError, RefusedError):
        if not is_taken:
            raise
    succeeded(response, errand.receiver)


def _take(connection: Connection[Row], errand: Errand, sought: Sought) -> None:
    """Write down that the peer took the request."""
    row = AuditRow(
        Origin(client=SENDER), "E", WORDS[Kind.COMMIT], 0, None, sought.transaction_uid,
        f"{len(sought.references)} instances to {errand.receiver}",
    )  # fmt: skip
    with connection.transaction():
        run(connection, taken(sought.transaction_uid, row))


def _service(connection: Connection[Row], errand: Errand, pool: ConnectionPool[Connection[Row]]) -> OutcomeService:
    def audit(row: AuditRow) -> None:
        run(connection, one(record([row])))

    return OutcomeService(errand.receiver, Origin(client=errand.receiver), pool, audit)


def _response(association: Requestor, message_id: int, service: OutcomeService) -> Response:
    """The response to the request. A peer that looks at once may report before it answers."""
    message = association.receive()
    for _ in range(REPORTS):
        if message.command[Element.CommandField] != CommandField.N_EVENT_REPORT_RQ:
            break
        _answer(association, message, service)
        message = association.receive()
    return association.answered(message, message_id)


def _hear(association: Requestor, service: OutcomeService) -> None:
    """Answer the report that comes within a moment, if one does."""
    try:
        message = association.receive(MOMENT)
    except PeerError as error:
        if error.failure is Failure.TIMED_OUT:
            return
        raise
    _answer(association, message, service)


def _answer(association: Requestor, message: Message, service: OutcomeService) -> None:
    """Take what the peer says and answer, if it is a report."""
    information = Gathering()
    for piece in association.pieces():
        information.write(piece)
    if message.command[Element.CommandField] == CommandField.N_EVENT_REPORT_RQ:
        association.send(message.context, service.answer(message.command, message.context, information))
