"""The requestor's half of A-ASSOCIATE: a request encoded, its acceptance or rejection taken apart.

Spec: PS3.8 9.3.2 to 9.3.4 (2024d), PS3.7 Annex D.3.3 (2024d)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dicomweb.dimse.associate import (
    APPLICATION_CONTEXT,
    FIXED,
    IMPLEMENTATION_CLASS,
    IMPLEMENTATION_VERSION,
    PROTOCOL_VERSION,
    Context,
    ContextResult,
    Item,
    Proposal,
    Roles,
    UserInformation,
    checked_uid,
    item,
    items,
    role_item,
    user_information,
)
from dicomweb.dimse.pdu import AbortReason, PDUType, ProtocolError, encode

MOST_CONTEXTS = 128
"""The identifiers of presentation contexts are the odd numbers of a byte. Spec: PS3.8 9.3.2.2 (2024d)"""

REASONS: Mapping[tuple[int, int], str] = {
    (1, 2): "it does not support the application context name",
    (1, 3): "it does not recognise the calling AE title",
    (1, 7): "it does not recognise the called AE title",
    (2, 2): "it does not support the protocol version",
    (3, 1): "temporary congestion",
    (3, 2): "its limit is exceeded",
}
"""What source and reason of an A-ASSOCIATE-RJ say. Spec: PS3.8 Table 9-21 (2024d)"""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What the acceptor agreed to: its contexts by identifier, the longest P-DATA-TF body that it takes (0: any), and
    the roles of the requestor.
    """

    contexts: Mapping[int, Context]
    maximum: int
    roles: Mapping[str, Roles]


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why the acceptor refused the association; a `transient` reason may pass. Spec: PS3.8 9.3.4 (2024d)"""

    transient: bool
    reason: str


def proposals(offered: Iterable[tuple[str, Sequence[str]]]) -> tuple[Proposal, ...]:
    """Presentation contexts, at most `MOST_CONTEXTS`, of pairs of an abstract syntax and transfer syntaxes."""
    found = tuple(Proposal(2 * n + 1, abstract, tuple(transfer)) for n, (abstract, transfer) in enumerate(offered))
    if not 0 < len(found) <= MOST_CONTEXTS:
        raise ValueError(f"an association has 1 to {MOST_CONTEXTS} presentation contexts")
    return found


def request(called: str, calling: str, contexts: Sequence[Proposal], roles: Mapping[str, Roles], maximum: int) -> bytes:
    """An A-ASSOCIATE-RQ PDU that announces bodies of at most `maximum` bytes. Spec: PS3.8 9.3.2 (2024d)"""
    user = (
        item(Item.MAXIMUM_LENGTH, maximum.to_bytes(4, "big"))
        + item(Item.IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_CLASS.encode())
        + b"".join(role_item(uid, role) for uid, role in roles.items())
        + item(Item.IMPLEMENTATION_VERSION_NAME, IMPLEMENTATION_VERSION.encode())
    )
    body = (
        FIXED.pack(PROTOCOL_VERSION, called.encode().ljust(16), calling.encode().ljust(16), bytes(32))
        + item(Item.APPLICATION_CONTEXT, APPLICATION_CONTEXT.encode())
        + b"".join(_proposal_item(proposal) for proposal in contexts)
        + item(Item.USER_INFORMATION, user)
    )
    return encode(PDUType.A_ASSOCIATE_RQ, body)


def acceptance(body: memoryview | bytes, proposed: Sequence[Proposal]) -> Acceptance:
    """An A-ASSOCIATE-AC from its body. Raises ProtocolError for what answers something else than was proposed.

    Of a context that is not accepted the transfer syntax means nothing, and is not read.
    """
    data = bytes(body)
    if len(data) < FIXED.size:
        raise _invalid("A-ASSOCIATE-AC is too short")
    known = {proposal.id: proposal for proposal in proposed}
    contexts: dict[int, Context] = {}
    user = UserInformation()
    for kind, content in items(data[FIXED.size :]):
        if kind == Item.PRESENTATION_CONTEXT_AC:
            if len(content) < 4 or content[0] not in known:
                raise _invalid("a presentation context is answered that was not proposed")
            if content[2] == ContextResult.ACCEPTANCE:
                contexts[content[0]] = _accepted(known[content[0]], content[4:])
        elif kind == Item.USER_INFORMATION:
            user = user_information(content)
    return Acceptance(contexts, user.maximum, user.roles)


def rejection(body: memoryview | bytes) -> Rejection:
    """An A-ASSOCIATE-RJ from its body."""
    _, result, source, reason = bytes(body)
    return Rejection(result == 2, REASONS.get((source, reason), "it gives no reason"))


def _accepted(proposal: Proposal, content: bytes) -> Context:
    chosen = [checked_uid(value) for kind, value in items(content) if kind == Item.TRANSFER_SYNTAX]
    if len(chosen) != 1 or chosen[0] not in proposal.transfer_syntaxes:
        raise _invalid("a presentation context is accepted without one of its transfer syntaxes")
    return Context(proposal.id, ContextResult.ACCEPTANCE, proposal.abstract_syntax, chosen[0])


def _proposal_item(proposal: Proposal) -> bytes:
    syntaxes = b"".join(item(Item.TRANSFER_SYNTAX, uid.encode()) for uid in proposal.transfer_syntaxes)
    abstract = item(Item.ABSTRACT_SYNTAX, proposal.abstract_syntax.encode())
    return item(Item.PRESENTATION_CONTEXT_RQ, struct.pack("B3x", proposal.id) + abstract + syntaxes)


def _invalid(message: str) -> ProtocolError:
    return ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, message)
