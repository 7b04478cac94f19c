"""Telling a peer what it has subscribed to: N-EVENT-REPORT on an association of its own.

This server calls, and stays the SCP of the class by role selection. Events are told in their order, at least once, all
that wait on one association. What they tell is looked up under the peer's own access when it is told: an item that it
may not see any more is passed over, and so is a report that it refuses for good.

Spec: PS3.4 CC.2.4 and Table CC.2.4-1 (2024d), PS3.7 10.1.1 and D.3.3.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

from psycopg import Connection

from dicomweb.dicomjson.syntax import IMPLICIT_LITTLE
from dicomweb.dimse import peers
from dicomweb.dimse.admission import OPENED
from dicomweb.dimse.associate import Roles
from dicomweb.dimse.calling import calling
from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.dimse.identifier import known, write
from dicomweb.dimse.operation import Status
from dicomweb.dimse.peers import Right
from dicomweb.dimse.requestor import Requestor, Response
from dicomweb.dimse.speech import UTF_8
from dicomweb.dimse.ups import EVENT
from dicomweb.errand.queue import Errand, Kind
from dicomweb.errand.work import WORDS, AwayError, Done, Performer, RefusedError, StoppedError
from dicomweb.workitem.attributes import PUSH
from dicomweb.workitem.delivery import AT_ONCE, Told, shown, unheard
from healix_fhir.kernel.audit import AuditRow, Origin
from healix_fhir.kernel.database import Row, run
from smart_auth.access import AccessContext

TAKEN = frozenset({0x0000, 0x0001, 0x0107, 0x0116})
"""Success and warnings, with those from B000H on. Spec: PS3.7 Annex C (2024d)"""
WARNING = 0xB000
COMMAND = 0x00010000
"""Elements below belong to the command set."""


def teller(stop: Event) -> Performer:
    """What tells one peer of what it has not heard."""

    def tell(connection: Connection[Row], errand: Errand) -> Done:
        peer = run(connection, peers.find(errand.receiver))
        if peer is not None and Right.UPS not in peer.rights:
            raise RefusedError(f"{errand.receiver} has no right to {Right.UPS} any more", final=True)
        access = AccessContext(OPENED[Right.UPS], Origin(client=errand.receiver))
        events = run(connection, unheard(access, errand.receiver, errand.after))
        if not events:
            return Done(errand.after)
        answers: list[Response] = []
        try:
            with calling(connection, errand.receiver, EVENT, stop, roles=Roles(scu=False, scp=True)) as association:
                _report(association, events, answers)
        except (AwayError, RefusedError, StoppedError):
            if not answers:  # what was told before is kept, and the rest tried at once: then this is told
                raise
        return _done(access, errand, events, answers)

    return tell


def _report(association: Requestor, events: Sequence[Told], answers: list[Response]) -> None:
    """Tell one after the other; each answer says what became of it. Raises RefusedError, PeerError."""
    context = association.needed(EVENT)
    for event in events:
        response = association.ask(context, command(event), [data_set(event)])
        if response.status == Status.RESOURCE_LIMITATION:
            raise RefusedError(f"{association.remote} is out of resources ({response.status:04X}H)")
        answers.append(response)


def command(event: Told) -> Command:
    """The command set of a report: every workitem is of the Push class. Spec: PS3.4 CC.2.4.3 (2024d)"""
    return {
        Element.CommandField: CommandField.N_EVENT_REPORT_RQ,
        Element.AffectedSOPClassUID: PUSH,
        Element.AffectedSOPInstanceUID: event.about,
        Element.EventTypeID: event.type,
    }


def data_set(event: Told) -> bytes:
    """The event information, in implicit VR little endian."""
    members = {tag: member for tag, member in known(event.report).items() if tag >= COMMAND}
    return write(members, IMPLICIT_LITTLE, (UTF_8,))


def _done(access: AccessContext, errand: Errand, events: Sequence[Told], answers: Sequence[Response]) -> Done:
    heard = events[: len(answers)]
    refused = [event for event, answer in zip(heard, answers, strict=True) if not _is_taken(answer)]
    word = WORDS[Kind.EVENT]
    rows = list(shown(access, errand.receiver, [event for event in heard if event not in refused]))
    rows += [AuditRow(access.origin, "R", word, 4, one.patient, one.item, errand.receiver) for one in refused]
    is_whole = len(heard) == len(events) < AT_ONCE
    return Done(heard[-1].seq, rows, None if is_whole else 0.0, _note(refused, answers))


def _is_taken(answer: Response) -> bool:
    return answer.status in TAKEN or answer.status & 0xF000 == WARNING


def _note(refused: Sequence[Told], answers: Sequence[Response]) -> str | None:
    if not refused:
        return None
    first = next(answer for answer in answers if not _is_taken(answer))
    return f"{len(refused)} reports were refused, the first with {first.status:04X}H {first.comment}".rstrip()
