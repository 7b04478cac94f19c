"""Protocol data units of the upper layer: their types, the small ones encoded, and P-DATA taken apart.

A PDU is a type byte, a reserved byte, the length of the rest as four bytes, and that rest (here: its body).

Spec: PS3.8 9.3 (2024d)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple, TypeAlias

HEADER = struct.Struct(">BxI")
PDV_HEADER = struct.Struct(">IBB")
Piece: TypeAlias = bytes | memoryview
"""Bytes that go out."""
IS_COMMAND = 0b01
IS_LAST = 0b10
LONGEST = 256 << 10
"""Longest P-DATA-TF body that is sent to a peer that takes any."""


class PDUType(IntEnum):
    """Spec: PS3.8 9.3.1 (2024d)"""

    A_ASSOCIATE_RQ = 0x01
    A_ASSOCIATE_AC = 0x02
    A_ASSOCIATE_RJ = 0x03
    P_DATA_TF = 0x04
    A_RELEASE_RQ = 0x05
    A_RELEASE_RP = 0x06
    A_ABORT = 0x07


TYPES = {kind.value: kind for kind in PDUType}
FIXED_LENGTH = {
    PDUType.A_ASSOCIATE_RJ: 4,
    PDUType.A_RELEASE_RQ: 4,
    PDUType.A_RELEASE_RP: 4,
    PDUType.A_ABORT: 4,
}
"""Body lengths that the standard fixes; another length is a malformed PDU."""


class AbortSource(IntEnum):
    """Who aborts. Spec: PS3.8 Table 9-26 (2024d)"""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """Why the service provider aborts. Spec: PS3.8 Table 9-26 (2024d)"""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PDU_PARAMETER = 4
    UNEXPECTED_PDU_PARAMETER = 5
    INVALID_PDU_PARAMETER_VALUE = 6


class ProtocolError(Exception):
    """The peer broke the protocol; it is answered with an A-ABORT that carries `reason`."""

    def __init__(self, reason: AbortReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Fragment(NamedTuple):
    """One presentation data value. `data` is valid only until the next PDU is read."""

    context_id: int
    is_command: bool
    is_last: bool
    data: memoryview


def encode(kind: PDUType, body: bytes) -> bytes:
    """A whole PDU."""
    return HEADER.pack(kind, len(body)) + body


def abort(source: AbortSource, reason: AbortReason = AbortReason.NOT_SPECIFIED) -> bytes:
    """An A-ABORT PDU. Spec: PS3.8 9.3.8 (2024d)"""
    return encode(PDUType.A_ABORT, bytes((0, 0, source, reason)))


RELEASE_REQUEST = encode(PDUType.A_RELEASE_RQ, bytes(4))
RELEASE_RESPONSE = encode(PDUType.A_RELEASE_RP, bytes(4))


def checked_type(kind: int, length: int, limit: int) -> PDUType:
    """The type in a PDU header, when a body of `length` may follow it; else ProtocolError, before the body is read."""
    known = TYPES.get(kind)
    if known is None:
        raise ProtocolError(AbortReason.UNRECOGNIZED_PDU, f"unknown PDU type {kind:#04x}")
    if length > limit or FIXED_LENGTH.get(known, length) != length:
        raise ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, f"{known.name} of {length} bytes")
    return known


def fragments(body: memoryview) -> Sequence[Fragment]:
    """The presentation data values of a P-DATA-TF body.

    The standard asks for fragments of even length; odd ones are joined as they come, since old devices send them.
    Spec: PS3.8 9.3.5.1 and Annex E.2 (2024d)
    """
    if not body:
        raise ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, "P-DATA-TF without a value")
    found: list[Fragment] = []
    position, stop = 0, len(body)
    while position < stop:
        if stop - position < PDV_HEADER.size:
            raise ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, "half a presentation data value")
        length, context_id, control = PDV_HEADER.unpack_from(body, position)
        end = position + 4 + length
        if length < 2 or end > stop:
            raise ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, f"presentation data value of {length} bytes")
        data = body[position + PDV_HEADER.size : end]
        found.append(Fragment(context_id, bool(control & IS_COMMAND), bool(control & IS_LAST), data))
        position = end
    return found


def data_pdus(context_id: int, command: bytes, maximum: int) -> Iterator[bytes]:
    """P-DATA-TF PDUs that carry a command set to a peer that takes bodies of `maximum` bytes (0: any)."""
    room = (maximum or len(command) + PDV_HEADER.size) - PDV_HEADER.size
    for start in range(0, len(command), room):
        piece = command[start : start + room]
        control = IS_COMMAND | (IS_LAST if start + room >= len(command) else 0)
        yield encode(PDUType.P_DATA_TF, PDV_HEADER.pack(len(piece) + 2, context_id, control) + piece)


def data_set_pdus(context_id: int, pieces: Iterable[Piece], maximum: int) -> Iterator[list[Piece]]:
    """P-DATA-TF PDUs that carry a data set, as many at once as a piece of it fills; bodies of `maximum` bytes (0: any).

    They are parts that are to follow each other, since joining them would copy the whole data set. Fragments are of
    even length, whatever that of the pieces. Spec: PS3.8 Annex E.2 (2024d)
    """
    room = (min(maximum or LONGEST, LONGEST) - PDV_HEADER.size) & ~1
    head = HEADER.pack(PDUType.P_DATA_TF, room + PDV_HEADER.size) + PDV_HEADER.pack(room + 2, context_id, 0)
    held = memoryview(b"")  # what may be the last fragment
    for piece in pieces:
        view = memoryview(b"".join((held, piece))) if held else memoryview(piece)
        whole = max(len(view) - 1, 0) // room * room
        if whole:
            yield [part for at in range(0, whole, room) for part in (head, view[at : at + room])]
        held = view[whole:]
    last = HEADER.pack(PDUType.P_DATA_TF, len(held) + PDV_HEADER.size)
    yield [last + PDV_HEADER.pack(len(held) + 2, context_id, IS_LAST), held]
