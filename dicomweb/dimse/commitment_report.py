"""Telling a peer what became of its request for storage commitment: N-EVENT-REPORT on an association of its own.

This server calls, and stays the SCP of the class by role selection. What is told is looked up after the peer has
answered the call, so that it is true when it is told, also after days of waiting.

Spec: PS3.4 J.3.3 (2024d), PS3.7 10.1.1 and D.3.3.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable
from threading import Event

from psycopg import Connection

from dicomweb.archive.blobs import Archive
from dicomweb.commitment.asked import Commitment, find
from dicomweb.commitment.judge import Judged, judge, look
from dicomweb.commitment.references import Reference
from dicomweb.dicomjson.implicit import sequence, title, uid, unsigned_short
from dicomweb.dimse import peers
from dicomweb.dimse.admission import OPENED
from dicomweb.dimse.associate import OUR_TITLE, Roles
from dicomweb.dimse.calling import calling, succeeded
from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.dimse.commit import WELL_KNOWN
from dicomweb.dimse.contexts import COMMITMENT
from dicomweb.dimse.peers import Right
from dicomweb.errand.queue import Errand, Kind
from dicomweb.errand.work import WORDS, Done, Performer, RefusedError
from healix_fhir.kernel.audit import AuditRow, Origin
from healix_fhir.kernel.database import Row, run
from smart_auth.access import AccessContext

SUCCESSFUL, FAILURES_EXIST = 1, 2
"""Event types. Spec: PS3.4 Table J.3-2 (2024d)"""


def reporter(archive: Archive, stop: Event) -> Performer:
    """What tells one peer of one request."""

    def report(connection: Connection[Row], errand: Errand) -> Done:
        asked = run(connection, find(int(errand.about)))
        if asked is None:
            return Done()
        peer = run(connection, peers.find(errand.receiver))
        if peer is not None and Right.COMMIT not in peer.rights:
            raise RefusedError(f"{errand.receiver} has no right to {Right.COMMIT} any more", final=True)
        access = AccessContext(OPENED[Right.COMMIT], Origin(client=errand.receiver))
        with calling(connection, errand.receiver, COMMITMENT, stop, roles=Roles(scu=False, scp=True)) as association:
            judged = judge(archive, asked, *run(connection, look(access, asked)))
            context = association.needed(COMMITMENT)
            response = association.ask(context, command(judged), [data_set(asked, judged)])
        succeeded(response, errand.receiver)
        return Done(audits=_audits(asked, judged, access.origin))

    return report


def command(judged: Judged) -> Command:
    """The command set of the report."""
    return {
        Element.CommandField: CommandField.N_EVENT_REPORT_RQ,
        Element.AffectedSOPClassUID: COMMITMENT,
        Element.AffectedSOPInstanceUID: WELL_KNOWN,
        Element.EventTypeID: FAILURES_EXIST if judged.failed else SUCCESSFUL,
    }


def data_set(asked: Commitment, judged: Judged) -> bytes:
    """The event information, in implicit VR little endian: every reference of the request is in one of its lists."""
    parts = [title(0x00080054, OUR_TITLE), uid(0x00081195, asked.transaction_uid)]
    if judged.failed:
        failed = (b"".join([*_named(one), unsigned_short(0x00081197, reason)]) for one, reason in judged.failed)
        parts.append(sequence(0x00081198, failed))
    if judged.committed:
        parts.append(sequence(0x00081199, (b"".join(_named(one)) for one in judged.committed)))
    return b"".join(parts)


def _named(reference: Reference) -> Iterable[bytes]:
    return uid(0x00081150, reference.sop_class), uid(0x00081155, reference.sop_instance)


def _audits(asked: Commitment, judged: Judged, origin: Origin) -> list[AuditRow]:
    """Who was told that instances of which patients are here."""
    said = f"{len(judged.committed)} committed, {len(judged.failed)} failed"
    word = WORDS[Kind.COMMITMENT]
    return [
        AuditRow(origin, "E", word, patient=patient, entity=asked.transaction_uid, query=said)
        for patient in judged.patients or (None,)
    ]
