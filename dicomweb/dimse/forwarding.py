"""Sending a route's instances to a peer: C-STORE as its SCU, on an errand.

What a peer may take later (it is away, out of resources, an association that breaks) makes the errand wait; any other
failure is the object's own, and is told.

Spec: PS3.4 B.2.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Event

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.blobs import Archive
from dicomweb.dimse.calling import check_settled, meaning, remote
from dicomweb.dimse.outgoing import Outgoing as DataSets
from dicomweb.dimse.push import Outcome, Push
from dicomweb.dimse.requestor import PeerError
from dicomweb.routing.forward import ACCESS, Sender, Settled
from dicomweb.routing.outgoing import Outgoing
from dicomweb.routing.rules import Route
from healix_fhir.kernel.database import Row


def to_peer(archive: Archive, pool: ConnectionPool[Connection[Row]], stop: Event) -> Sender:
    """What sends to a known peer."""

    def send(
        connection: Connection[Row], route: Route, instances: Sequence[Outgoing], goes_on: Callable[[], bool]
    ) -> Iterator[Settled]:
        to = remote(connection, route.peer or "")
        push = Push(to, DataSets(archive, pool, ACCESS), leave_off=lambda: not goes_on(), stop=stop)
        waiting = iter(instances)
        try:
            for sent in push.send([one.instance for one in instances]):
                check_settled(sent, to, archive)
                yield next(waiting), sent.status if sent.outcome is Outcome.FAILED else None
        except PeerError as error:
            raise meaning(error) from error

    return send
