"""Who may associate: the checks of an A-ASSOCIATE-RQ before its presentation contexts are looked at.

Spec: PS3.8 9.3.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from dicomweb.dimse import peers
from dicomweb.dimse.associate import APPLICATION_CONTEXT, PROTOCOL_VERSION, Reject, Request
from dicomweb.dimse.peers import UNKNOWN_CALLER, Right
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
    Right.WORKLIST: parse("system/Task.s"),
    Right.MPPS: parse("system/Task.ru"),
    Right.COMMIT: parse("system/ImagingStudy.r"),
    Right.UPS: parse("system/Task.crus"),
}
"""What each right opens, in the words of the one access policy."""

REJECTING = parse("system/ImagingStudy.d")
"""What a known peer that may store has beside it: its rejection notes take effect."""


@dataclass(frozen=True, slots=True)
class House:
    """What callers are measured by: our AE title and the setting `dimse_unknown_callers`."""

    aet: str
    unknown_callers: str


@dataclass(frozen=True, slots=True)
class Caller:
    """An admitted peer and its rights; `access` is what all it asks for is done and audited under."""

    aet: str
    rights: frozenset[Right]
    access: AccessContext


def admit(house: House, request: Request, address: str) -> Work[Caller | Reject]:
    """The caller, audited, or why it is rejected: what the trail says of that is up to who rejects."""
    origin = Origin(client=request.calling, address=address)
    verdict = _refusal(house, request)
    if verdict is None:
        peer = yield from peers.find(request.calling)
        rights = UNKNOWN_CALLER[house.unknown_callers] if peer is None else peer.rights
        if rights:
            yield record([AuditRow(origin, "E", ASSOCIATE)])
            scopes = opened(rights, known=peer is not None)
            return Caller(request.calling, rights, AccessContext(scopes=scopes, origin=origin))
        verdict = Reject.CALLING_AE_TITLE_NOT_RECOGNIZED
    return verdict


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
