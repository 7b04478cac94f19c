"""A-ASSOCIATE PDUs: the request taken apart strictly, the acceptance and the rejection encoded.

Lengths are checked before anything is taken, every UID against its syntax, so that nothing later meets a name
that a peer made up. Items that the standard adds later are skipped, as it demands.

Spec: PS3.8 9.3.2 to 9.3.4 (2024d), PS3.7 Annex D.3.3 (2024d)
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

from dicomweb.dimse.pdu import AbortReason, PDUType, ProtocolError, encode
from dicomweb.uid import is_uid

OUR_TITLE = "HEALIX"
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
IMPLEMENTATION_CLASS = "2.25.304092911429136003079454946460225160285"
IMPLEMENTATION_VERSION = "HEALIX_0.1"
PROTOCOL_VERSION = 1
ONE_AT_A_TIME = struct.pack(">HH", 1, 1)

FIXED = struct.Struct(">H2x16s16s32s")
ITEM = struct.Struct(">BxH")
SHORT = 256
"""Bytes of a proposal that is remembered, so that a peer takes no memory with long ones."""
AE_TITLE = re.compile(rb"[\x20-\x5b\x5d-\x7e]{16}")


class Item(int, Enum):
    """Types of the variable items. Spec: PS3.8 9.3.2 and Annex D (2024d), PS3.7 D.3.3 (2024d)"""

    APPLICATION_CONTEXT = 0x10
    PRESENTATION_CONTEXT_RQ = 0x20
    PRESENTATION_CONTEXT_AC = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAXIMUM_LENGTH = 0x51
    IMPLEMENTATION_CLASS_UID = 0x52
    ASYNCHRONOUS_OPERATIONS = 0x53
    ROLE_SELECTION = 0x54
    IMPLEMENTATION_VERSION_NAME = 0x55
    SOP_CLASS_EXTENDED = 0x56


class Reject(Enum):
    """Result, source and reason of an A-ASSOCIATE-RJ. Spec: PS3.8 Table 9-21 (2024d)"""

    APPLICATION_CONTEXT_NOT_SUPPORTED = (1, 1, 2)
    CALLING_AE_TITLE_NOT_RECOGNIZED = (1, 1, 3)
    CALLED_AE_TITLE_NOT_RECOGNIZED = (1, 1, 7)
    PROTOCOL_VERSION_NOT_SUPPORTED = (1, 2, 2)
    TEMPORARY_CONGESTION = (2, 3, 1)
    LOCAL_LIMIT_EXCEEDED = (2, 3, 2)


class ContextResult(int, Enum):
    """Answer to a proposed presentation context. Spec: PS3.8 Table 9-18 (2024d)"""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True)
class Proposal:
    """A presentation context as the peer proposes it."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Roles:
    """Which roles the requestor would play for a SOP class, or may. Spec: PS3.7 D.3.3.4 (2024d)"""

    scu: bool
    scp: bool


USUAL = Roles(scu=True, scp=False)
"""The roles where none are negotiated."""


@dataclass(frozen=True, slots=True)
class UserInformation:
    """What a side tells beside its presentation contexts; `extended` is application information by SOP class.

    `maximum` is the longest P-DATA-TF body that it takes, 0 for any; `window` whether it speaks of several operations
    at a time. Spec: PS3.7 D.3.3 (2024d)
    """

    maximum: int = 0
    roles: Mapping[str, Roles] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)
    window: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """An A-ASSOCIATE-RQ. `fixed` is its titles and reserved bytes, which the acceptance repeats."""

    fixed: bytes
    version: int
    called: str
    calling: str
    application_context: str
    proposals: tuple[Proposal, ...]
    user: UserInformation

    @property
    def maximum(self) -> int:
        """The longest P-DATA-TF body that the peer takes, 0 for any."""
        return self.user.maximum


@dataclass(frozen=True, slots=True)
class Context:
    """A presentation context as it is answered; what follows `abstract_syntax` counts only on acceptance.

    `roles` are those of the requestor; `extended` is the application information agreed on, empty without any.
    """

    id: int
    result: ContextResult
    abstract_syntax: str
    transfer_syntax: str
    roles: Roles = USUAL
    extended: bytes = b""


@dataclass(frozen=True, slots=True)
class Agreement:
    """The answer to what a request proposes: each context in its order, roles and application information by class."""

    contexts: Sequence[Context]
    roles: Mapping[str, Roles]
    extended: Mapping[str, bytes]

    @property
    def accepted(self) -> dict[int, Context]:
        """The contexts in which messages may come."""
        return {one.id: one for one in self.contexts if one.result is ContextResult.ACCEPTANCE}


def decode(body: memoryview | bytes) -> Request:
    """An A-ASSOCIATE-RQ from its body. Raises ProtocolError for anything that the standard does not allow."""
    data = bytes(body)
    if len(data) < FIXED.size:
        raise _invalid("A-ASSOCIATE-RQ is too short")
    version, called, calling, _ = FIXED.unpack_from(data)
    application_context, proposals, user = "", [], b""
    for kind, content in items(data[FIXED.size :]):
        if kind == Item.APPLICATION_CONTEXT:
            application_context = _text(content)
        elif kind == Item.PRESENTATION_CONTEXT_RQ:
            proposals.append(_remembered(content) if len(content) <= SHORT else _proposal(content))
        elif kind == Item.USER_INFORMATION:
            user = content
    if not proposals or len({proposal.id for proposal in proposals}) != len(proposals):
        raise _invalid("presentation contexts are missing or repeat an identifier")
    return Request(
        fixed=data[4 : FIXED.size],
        version=version,
        called=_title(called),
        calling=_title(calling),
        application_context=application_context,
        proposals=tuple(proposals),
        user=user_information(user),
    )


def accept(request: Request, agreed: Agreement, maximum: int) -> bytes:
    """An A-ASSOCIATE-AC PDU that announces bodies of at most `maximum` bytes, and one operation at a time.

    Spec: PS3.8 9.3.3 (2024d), PS3.7 D.3.3.3.2 (2024d)
    """
    user = (
        item(Item.MAXIMUM_LENGTH, maximum.to_bytes(4, "big"))
        + item(Item.IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_CLASS.encode())
        + (item(Item.ASYNCHRONOUS_OPERATIONS, ONE_AT_A_TIME) if request.user.window else b"")
        + b"".join(role_item(uid, role) for uid, role in agreed.roles.items())
        + item(Item.IMPLEMENTATION_VERSION_NAME, IMPLEMENTATION_VERSION.encode())
        + b"".join(_extended_item(uid, content) for uid, content in agreed.extended.items())
    )
    body = (
        struct.pack(">H2x", PROTOCOL_VERSION)
        + request.fixed
        + item(Item.APPLICATION_CONTEXT, APPLICATION_CONTEXT.encode())
        + b"".join(_context_item(context) for context in agreed.contexts)
        + item(Item.USER_INFORMATION, user)
    )
    return encode(PDUType.A_ASSOCIATE_AC, body)


def reject(reason: Reject) -> bytes:
    """An A-ASSOCIATE-RJ PDU. Spec: PS3.8 9.3.4 (2024d)"""
    return encode(PDUType.A_ASSOCIATE_RJ, bytes((0, *reason.value)))


@lru_cache(maxsize=1024)
def _remembered(content: bytes) -> Proposal:
    """A short proposal: those of a device are the same each time, and a sender of any class makes 128 of them."""
    return _proposal(content)


def _proposal(content: bytes) -> Proposal:
    if len(content) < 4 or content[0] % 2 == 0:
        raise _invalid("presentation context without an odd identifier")
    abstract, transfer = [], []
    for kind, value in items(content[4:]):
        if kind == Item.ABSTRACT_SYNTAX:
            abstract.append(checked_uid(value))
        elif kind == Item.TRANSFER_SYNTAX:
            transfer.append(checked_uid(value))
    if len(abstract) != 1 or not transfer:
        raise _invalid("presentation context without one abstract syntax and a transfer syntax")
    return Proposal(content[0], abstract[0], tuple(transfer))


def user_information(content: bytes) -> UserInformation:
    """What a side says in its user information item."""
    maximum, window = 0, False
    roles: dict[str, Roles] = {}
    extended: dict[str, bytes] = {}
    for kind, value in items(content):
        if kind == Item.MAXIMUM_LENGTH:
            if len(value) != 4:
                raise _invalid("maximum length item of a wrong length")
            maximum = int.from_bytes(value, "big")
            if 0 < maximum < 128:
                raise _invalid("a maximum length that holds no response")
        elif kind == Item.ASYNCHRONOUS_OPERATIONS:
            window = True
        elif kind == Item.ROLE_SELECTION:
            uid, role = _named(value)
            if len(role) != 2:
                raise _invalid("role selection item of a wrong length")
            roles[uid] = Roles(scu=role[0] == 1, scp=role[1] == 1)
        elif kind == Item.SOP_CLASS_EXTENDED:
            uid, extended[uid] = _named(value)
    return UserInformation(maximum, roles, extended, window)


def _named(value: bytes) -> tuple[str, bytes]:
    """The UID, with its length before it, that an item begins with, and the rest."""
    end = 2 + int.from_bytes(value[:2], "big")
    if len(value) < end:
        raise _invalid("an item that ends within its UID")
    return checked_uid(value[2:end]), value[end:]


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The variable items of a PDU, or those within one: type and content."""
    position = 0
    while position < len(data):
        if len(data) - position < ITEM.size:
            raise _invalid("half an item")
        kind, length = ITEM.unpack_from(data, position)
        position += ITEM.size + length
        if position > len(data):
            raise _invalid("an item longer than what holds it")
        yield kind, data[position - length : position]


def item(kind: Item, content: bytes) -> bytes:
    """An item encoded."""
    return ITEM.pack(kind, len(content)) + content


def _context_item(context: Context) -> bytes:
    transfer = item(Item.TRANSFER_SYNTAX, context.transfer_syntax.encode())
    return item(Item.PRESENTATION_CONTEXT_AC, bytes((context.id, 0, context.result, 0)) + transfer)


def role_item(uid: str, role: Roles) -> bytes:
    """A role selection sub-item. Spec: PS3.7 D.3.3.4 (2024d)"""
    return item(Item.ROLE_SELECTION, _naming(uid) + bytes((role.scu, role.scp)))


def _extended_item(uid: str, content: bytes) -> bytes:
    return item(Item.SOP_CLASS_EXTENDED, _naming(uid) + content)


def _naming(uid: str) -> bytes:
    return len(uid).to_bytes(2, "big") + uid.encode()


def checked_uid(value: bytes) -> str:
    """The UID in an item. Raises ProtocolError for what is none."""
    text = _text(value)
    if not is_uid(text):
        raise _invalid("not a UID")
    return text


def _text(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("ascii", "replace")


def _title(value: bytes) -> str:
    if not AE_TITLE.fullmatch(value) or not value.strip():
        raise _invalid("not an AE title")
    return value.decode("ascii").strip()


def _invalid(message: str) -> ProtocolError:
    return ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, message)
