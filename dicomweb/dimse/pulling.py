"""The errand of a pull: a study, a series or an instance that a peer is asked to send here (C-MOVE to ourselves).

What arrives is stored and audited by the DIMSE service as everything that the peer sends. A pull that failed in part
is asked for again as a whole: what is here already is not stored twice.

Spec: PS3.4 C.4.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from psycopg import Connection

from dicomweb.dimse.associate import OUR_TITLE
from dicomweb.dimse.calling import meaning, remote
from dicomweb.dimse.pushing import ACCESS, asked
from dicomweb.dimse.query_retrieve import Entity
from dicomweb.dimse.requestor import PeerError
from dicomweb.dimse.retrieving import Moved, keys, moved
from dicomweb.dimse.suboperations import RetrieveStatus
from dicomweb.errand.queue import Errand, Kind
from dicomweb.errand.work import WORDS, Done, Performer, RefusedError, StoppedError
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import HealixError


def puller(
    stop: Event, *, heard: Callable[[Moved], None] = lambda _: None, leave_off: Callable[[], bool] = lambda: False
) -> Performer:
    """What does the errand; `heard` is told of each response, `leave_off` asked after each: it cancels."""

    def pull(connection: Connection[Row], errand: Errand) -> Done:
        uids = asked(errand)
        entity = (Entity.STUDY, Entity.SERIES, Entity.IMAGE)[len(uids) - 1]
        to = remote(connection, errand.receiver)
        last: Moved | None = None
        try:
            for last in moved(to, keys(entity, uids), OUR_TITLE, leave_off=leave_off, stop=stop):
                heard(last)
        except PeerError as error:
            raise meaning(error) from error
        except HealixError as error:
            raise RefusedError(error.message) from error
        assert last is not None, "a C-MOVE has a last response"
        if last.status == RetrieveStatus.CANCELLED:
            raise StoppedError
        if last.failed:
            raise RefusedError(f"{last.failed} of {last.total} instances were not sent {last.comment}".rstrip())
        said = f"{last.completed + last.warning} instances from {errand.receiver}"
        return Done(audits=[AuditRow(ACCESS.origin, "E", WORDS[Kind.PULL], 0, None, uids[0], said)])

    return pull
