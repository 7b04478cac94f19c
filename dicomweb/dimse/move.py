"""C-MOVE: instances sent to a peer that is named, over an association of their own, for the one who asks.

Spec: PS3.4 C.4.2 (2024d), PS3.7 9.1.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Event

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.blobs import Archive
from dicomweb.dimse import non_patient, peers
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.calling import remote_of
from dicomweb.dimse.command import Command, Element
from dicomweb.dimse.exchange import Exchange
from dicomweb.dimse.outgoing import Outgoing
from dicomweb.dimse.push import Originator, Push
from dicomweb.dimse.query_retrieve import MOVE
from dicomweb.dimse.requestor import PeerError, Remote
from dicomweb.dimse.retrieval import Ended, Retrieval, Run
from dicomweb.dimse.suboperations import Outcome, priority
from dicomweb.dimse.wire import StoppingError
from dicomweb.study.retrieve import Instance
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.log import get_logger

log = get_logger("dimse")


def move(
    caller: Caller,
    pool: ConnectionPool[Connection[Row]],
    run: Run,
    archive: Archive,
    audit: Callable[[AuditRow], None],
    most: int,
    stop: Event,
) -> Retrieval:
    """C-MOVE for one caller, of at most so many instances at once; setting `stop` ends every wait."""

    def way(command: Command) -> Away:
        # what is no AE title is no peer's either, and no text of the trail has a NUL
        destination = str(command.get(Element.MoveDestination, "")).strip().replace("\0", "\\")
        originator = Originator(caller.aet, int(command.get(Element.MessageID, 0)), priority(command))
        return Away(destination, originator, pool, stop)

    return Retrieval("C-MOVE", MOVE, non_patient.MOVE, way, caller, pool, run, archive, audit, most)


@dataclass(slots=True)
class Away:
    """The way to `destination`, which has to be a known peer."""

    destination: str
    originator: Originator
    pool: ConnectionPool[Connection[Row]]
    stop: Event
    _remote: Remote | None = field(default=None, init=False)

    def is_known(self) -> bool:
        """Look the peer up."""
        peer = transaction(self.pool, lambda: peers.find(self.destination))
        if peer is None:
            return False
        try:
            self._remote = remote_of(peer)
        except HealixError as error:  # our own certificates: no fault of the request
            raise HealixError(Category.UNAVAILABLE, "the destination cannot be called", detail=error.message) from error
        return True

    def send(self, exchange: Exchange, outgoing: Outgoing, instances: Sequence[Instance]) -> Iterator[Ended]:
        """Push them."""
        assert self._remote is not None, "nothing is sent to who is not known"
        push = Push(self._remote, outgoing, self.originator, exchange.is_cancelled, stop=self.stop)
        try:
            for sent in push.send(instances):
                if sent.outcome is Outcome.FAILED:
                    log.warning("an instance was not sent", entity=sent.instance.instance, reason=sent.message)
                yield sent.instance.instance, sent.status
        except PeerError as error:  # nothing but the end of the server
            raise StoppingError from error
