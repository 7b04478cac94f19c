"""Who may associate: the checks of an A-ASSOCIATE-RQ before its presentation contexts are looked at.

Spec: PS3.8 9.3.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from dicomweb.dimse import peers
from dicomweb.dimse.associate import APPLICATION_CONTEXT, PROTOCOL_VERSION, Reject, Request
from dicomweb.dimse.peers import UNKNOWN_CALLER, Peer, Right
from dicomweb.dimse.presence import Presence
from dicomweb.dimse.refusals import ASSOCIATE
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Work
from smart_auth.access import AccessContext
from smart_auth.scope import Scope, parse

OPENED: Mapping[Right, frozenset[Scope]] = {
    Right.ECHO: frozenset(),
    Right.STORE: parse("system/ImagingStudy.c"),
    Right.FIND: parse("system/ImagingStudy.s"),
    Right.GET: parse("system/ImagingStudy.r"),
    Right.MOVE: parse("system/ImagingStudy.r"),
    Right.WORKLIST: parse("system/ServiceRequest.s"),
    Right.MPPS: parse("system/Procedure.cru"),
    Right.COMMIT: parse("system/ImagingStudy.r"),
    Right.UPS: parse("system/Task.crus"),
}
"""What each right opens, in the words of the one access policy."""

REJECTING = parse("system/ImagingStudy.d")
"""What a known peer that may store has beside it: its rejection notes take effect."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A request for an association, and how it came: from which network address, and whether over TLS."""

    request: Request
    address: str
    secure: bool = False


@dataclass(frozen=True, slots=True)
class House:
    """What callers are measured by: our AE title, the setting `dimse_unknown_callers`, and who is there already."""

    aet: str
    unknown_callers: str
    presence: Presence = field(default_factory=Presence)


@dataclass(frozen=True, slots=True)
class Caller:
    """An admitted peer and its rights; `access` is what all it asks for is done and audited under."""

    aet: str
    rights: frozenset[Right]
    access: AccessContext


@dataclass(frozen=True, slots=True)
class Rejection:
    """No association. `why` is for the log and the audit trail: the peer hears only `reject`.

    Who says the AE title of a peer and is not it hears what it would if there were no such peer.
    """

    reject: Reject
    why: str


def admit(house: House, call: Call) -> Work[Caller | Rejection]:
    """The caller, audited, or why it is rejected: what the trail says of that is up to who rejects. Two statements that
    need no transaction around them.

    An admitted call is present until `house.presence` hears that it left. Its row is not waited for: what is done in
    the association is committed after it in the same log, so nothing of it is on record, or shown, without the row.
    """
    request = call.request
    refusal = _refusal(house, request)
    if refusal is not None:
        return Rejection(refusal, refusal.name)
    peer = yield from peers.find(request.calling)
    rights = UNKNOWN_CALLER[house.unknown_callers] if peer is None else peer.rights
    why = _stranger(call, peer, rights)
    if why is not None:
        return Rejection(Reject.CALLING_AE_TITLE_NOT_RECOGNIZED, why)
    most = None if peer is None else peer.associations
    if not house.presence.enter(call, request.calling, most):
        return Rejection(Reject.LOCAL_LIMIT_EXCEEDED, f"{Reject.LOCAL_LIMIT_EXCEEDED.name}: {most} of this peer")
    origin = Origin(client=request.calling, address=call.address)
    yield record([AuditRow(origin, "E", ASSOCIATE, query="TLS" if call.secure else None)], waited=False)
    scopes = opened(rights, known=peer is not None)
    return Caller(request.calling, rights, AccessContext(scopes=scopes, origin=origin))


def _stranger(call: Call, peer: Peer | None, rights: Collection[Right]) -> str | None:
    """Why a caller is not one of those who may call."""
    name = Reject.CALLING_AE_TITLE_NOT_RECOGNIZED.name
    if not rights:
        return name
    if peer is not None and not peer.calls_from(call.address):
        return f"{name}: the peer is bound to other addresses"
    if peer is not None and peer.tls and not call.secure:
        return f"{name}: the peer calls over TLS only"
    return None


def opened(rights: Collection[Right], *, known: bool) -> frozenset[Scope]:
    """The scopes of a caller with these rights."""
    scopes = frozenset[Scope]().union(*(OPENED[right] for right in rights))
    return scopes | REJECTING if known and Right.STORE in rights else scopes


def _refusal(house: House, request: Request) -> Reject | None:
    if not request.version & PROTOCOL_VERSION:
        return Reject.PROTOCOL_VERSION_NOT_SUPPORTED
    if request.application_context != APPLICATION_CONTEXT:
        return Reject.APPLICATION_CONTEXT_NOT_SUPPORTED
    if request.called != house.aet:
        return Reject.CALLED_AE_TITLE_NOT_RECOGNIZED
    return None
