"""Calling a known peer on an errand, and what its failures mean for the errand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event

from psycopg import Connection

from dicomweb.archive.blobs import Archive, is_whole
from dicomweb.dicomjson.syntax import IMPLICIT_LITTLE
from dicomweb.dimse import peers
from dicomweb.dimse.associate import Roles
from dicomweb.dimse.peers import Peer
from dicomweb.dimse.push import Sent
from dicomweb.dimse.requestor import Failure, PeerError, Remote, Requestor, Response, associate
from dicomweb.dimse.tls import our_context
from dicomweb.errand.work import AwayError, RefusedError, StoppedError
from healix_fhir.kernel.database import Row, run
from healix_fhir.kernel.errors import HealixError

SUCCESS = 0x0000


def remote(connection: Connection[Row], aet: str) -> Remote:
    """Where the peer `aet` listens. Raises RefusedError for one that is no longer known."""
    peer = run(connection, peers.find(aet))
    if peer is None:
        raise RefusedError(f"no peer {aet} is known: healix peer add")
    return remote_of(peer)


def remote_of(peer: Peer) -> Remote:
    """Whom to call, over TLS where it is spoken with so. Raises Invalid where the settings of TLS cannot be."""
    return Remote(peer.aet, peer.host, peer.port, tls=our_context() if peer.tls else None)


@contextmanager
def calling(
    connection: Connection[Row], aet: str, sop_class: str, stop: Event, roles: Roles | None = None
) -> Iterator[Requestor]:
    """An association with the peer `aet` for one SOP class, in the transfer syntax that every peer has.

    Raises RefusedError for a peer that is no longer known, or does not do what is asked for, AwayError where it may
    do it later, StoppedError.
    """
    offered = [(sop_class, [IMPLICIT_LITTLE])]
    proposed: Mapping[str, Roles] = {} if roles is None else {sop_class: roles}
    try:
        with associate(remote(connection, aet), offered, roles=proposed, stop=stop) as association:
            yield association
    except PeerError as error:
        raise meaning(error) from error


def meaning(error: PeerError) -> AwayError | RefusedError | StoppedError:
    """What a failure of a peer means for the errand."""
    if error.failure is Failure.STOPPED:
        return StoppedError()
    return AwayError(error.message) if error.transient else RefusedError(error.message)


def check_settled(sent: Sent, to: Remote, archive: Archive) -> None:
    """That it is settled for good what became of an instance.

    Raises AwayError where the peer may take it later, RefusedError where this server may send it later: one whose file
    is lost holds up no other.
    """
    if sent.may_pass:
        raise AwayError(sent.message or f"{to} is out of resources ({sent.status:04X}H)")
    if sent.ours:
        try:
            is_here = is_whole(archive, sent.instance.key, sent.instance.size)
        except HealixError as error:
            raise RefusedError(error.message) from error
        if is_here:
            raise RefusedError(sent.message)


def succeeded(response: Response, receiver: str) -> None:
    """Raises RefusedError for any other status than success. To be asked when the association has ended well."""
    if response.status != SUCCESS:
        raise RefusedError(f"{receiver} answers with the status {response.status:04X}H {response.comment}".rstrip())
