"""DIMSE command sets: implicit VR little endian, group 0000 only.

A command is a mapping from element number (the low half of its tag) to an integer (US), or a text (UI, AE, LO); tags
(AT) are one text of eight hexadecimal digits each, with backslashes between them.

Spec: PS3.7 6.3 and Annex E (2024d)
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import TypeAlias

from dicomweb.dimse.pdu import AbortReason, Fragment, ProtocolError

ELEMENT = struct.Struct("<HHI")
US = struct.Struct("<H")
SHORT = struct.Struct("<HHIH")
"""A whole element of one US."""
UL = struct.Struct("<I")
TAG = struct.Struct("<HH")
LIMIT = 16 * 1024
NO_DATA_SET = 0x0101
DATA_SET = 0x0001
"""Any other value of Command Data Set Type says that a data set follows."""
RESPONSE = 0x8000
COMMENT_LENGTH = 64


class Element(IntEnum):
    """Elements of group 0000 that this server reads or writes. Spec: PS3.7 Table E.1-1 (2024d)"""

    CommandGroupLength = 0x0000
    AffectedSOPClassUID = 0x0002
    RequestedSOPClassUID = 0x0003
    CommandField = 0x0100
    MessageID = 0x0110
    MessageIDBeingRespondedTo = 0x0120
    MoveDestination = 0x0600
    Priority = 0x0700
    CommandDataSetType = 0x0800
    Status = 0x0900
    ErrorComment = 0x0902
    ErrorID = 0x0903
    AffectedSOPInstanceUID = 0x1000
    RequestedSOPInstanceUID = 0x1001
    EventTypeID = 0x1002
    AttributeIdentifierList = 0x1005
    ActionTypeID = 0x1008
    NumberOfRemainingSuboperations = 0x1020
    NumberOfCompletedSuboperations = 0x1021
    NumberOfFailedSuboperations = 0x1022
    NumberOfWarningSuboperations = 0x1023
    MoveOriginatorApplicationEntityTitle = 0x1030
    MoveOriginatorMessageID = 0x1031


class CommandField(IntEnum):
    """Spec: PS3.7 Table E.1-1 (2024d)"""

    C_STORE_RQ = 0x0001
    C_GET_RQ = 0x0010
    C_FIND_RQ = 0x0020
    C_MOVE_RQ = 0x0021
    C_ECHO_RQ = 0x0030
    N_EVENT_REPORT_RQ = 0x0100
    N_GET_RQ = 0x0110
    N_SET_RQ = 0x0120
    N_ACTION_RQ = 0x0130
    N_CREATE_RQ = 0x0140
    N_DELETE_RQ = 0x0150
    C_CANCEL_RQ = 0x0FFF


class Priority(IntEnum):
    """Values of the element of that name. Spec: PS3.7 Table E.1-1 (2024d)"""

    MEDIUM = 0x0000
    HIGH = 0x0001
    LOW = 0x0002


Value: TypeAlias = int | str
Command: TypeAlias = Mapping[int, Value]

UNSIGNED_SHORT = {
    Element.CommandField,
    Element.MessageID,
    Element.MessageIDBeingRespondedTo,
    Element.Priority,
    Element.CommandDataSetType,
    Element.Status,
    Element.ErrorID,
    Element.EventTypeID,
    Element.ActionTypeID,
    Element.NumberOfRemainingSuboperations,
    Element.NumberOfCompletedSuboperations,
    Element.NumberOfFailedSuboperations,
    Element.NumberOfWarningSuboperations,
    Element.MoveOriginatorMessageID,
}
UIDS = {
    Element.AffectedSOPClassUID,
    Element.RequestedSOPClassUID,
    Element.AffectedSOPInstanceUID,
    Element.RequestedSOPInstanceUID,
}
TAGS = {Element.AttributeIdentifierList}
TEXT = UIDS | {Element.MoveDestination, Element.ErrorComment, Element.MoveOriginatorApplicationEntityTitle}


def decode(data: bytes) -> Command:
    """The elements of a command set that `Element` names. Raises ProtocolError when it is not one."""
    command: dict[int, Value] = {}
    position = 0
    while position < len(data):
        if len(data) - position < ELEMENT.size:
            raise _invalid("a command set that ends in an element")
        group, element, length = ELEMENT.unpack_from(data, position)
        position += ELEMENT.size + length
        if group != 0 or position > len(data):
            raise _invalid("a command set with a foreign group or a length beyond its end")
        if (read := _READ.get(element)) is not None:
            command[element] = read(data[position - length : position])
    for needed in (Element.CommandField, Element.CommandDataSetType):
        if needed not in command:
            raise _invalid(f"a command set without {needed.name}")
    return command


def encode(command: Command) -> bytes:
    """A command set with its group length, elements in ascending order."""
    body = b"".join(_element(element, command[element]) for element in sorted(command))
    return ELEMENT.pack(0, Element.CommandGroupLength, 4) + UL.pack(len(body)) + body


AFFECTED = (
    (Element.AffectedSOPClassUID, Element.RequestedSOPClassUID),
    (Element.AffectedSOPInstanceUID, Element.RequestedSOPInstanceUID),
)
"""What a response calls affected; some requests call it requested. Spec: PS3.7 10.3 (2024d)"""


def response(request: Command, status: int, comment: str = "") -> Command:
    """The response without a data set to `request`. `comment` is cut to what its element holds."""
    answer: dict[int, Value] = {
        Element.CommandField: int(request[Element.CommandField]) | RESPONSE,
        Element.MessageIDBeingRespondedTo: request.get(Element.MessageID, 0),
        Element.CommandDataSetType: NO_DATA_SET,
        Element.Status: status,
    }
    for affected, requested in AFFECTED:
        if affected in request or requested in request:
            answer[affected] = request[affected if affected in request else requested]
    if comment:
        answer[Element.ErrorComment] = comment.replace("\\", "/")[:COMMENT_LENGTH]
    return answer


def has_data_set(command: Command) -> bool:
    """Whether a data set follows the command."""
    return command[Element.CommandDataSetType] != NO_DATA_SET


class Fragments:
    """The command set that is just coming on an association, in fragments of one presentation context."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.context_id: int | None = None

    def add(self, fragment: Fragment) -> Command | None:
        """The whole command set with its last fragment, None before. Raises ProtocolError."""
        if self.context_id not in (None, fragment.context_id):
            raise ProtocolError(AbortReason.UNEXPECTED_PDU_PARAMETER, "a command in two presentation contexts")
        self.context_id = fragment.context_id
        self._data += fragment.data
        if len(self._data) > LIMIT:
            raise _invalid("command set too long")
        if not fragment.is_last:
            return None
        command = decode(bytes(self._data))
        self._data.clear()
        self.context_id = None
        return command


def _short(value: bytes) -> int:
    if len(value) != US.size:
        raise _invalid("a command element of a wrong length")
    return value[0] | value[1] << 8


def _tags(value: bytes) -> str:
    if len(value) % TAG.size:
        raise _invalid("a command element of a wrong length")
    return "\\".join(f"{group:04X}{number:04X}" for group, number in TAG.iter_unpack(value))


def _text(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("ascii", "replace")


_READ: Mapping[int, Callable[[bytes], Value]] = {
    **dict.fromkeys(UNSIGNED_SHORT, _short),
    **dict.fromkeys(TAGS, _tags),
    **dict.fromkeys(TEXT, _text),
}


def _element(element: int, value: Value) -> bytes:
    if isinstance(value, int):
        return SHORT.pack(0, element, US.size, value)
    if element in TAGS:
        content = b"".join(TAG.pack(int(tag[:4], 16), int(tag[4:], 16)) for tag in value.split("\\") if tag)
    else:
        content = value.encode("ascii", "replace")
        content += (b"\0" if element in UIDS else b" ") * (len(content) % 2)
    return ELEMENT.pack(0, element, len(content)) + content


def _invalid(message: str) -> ProtocolError:
    return ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, message)
