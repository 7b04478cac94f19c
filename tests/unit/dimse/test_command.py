"""Command sets, held to pynetdicom's."""

from __future__ import annotations

from io import BytesIO

import pytest
from pynetdicom.dsutils import decode as read_data_set

from dicomweb.dimse.command import Element, decode, encode, has_data_set, response
from dicomweb.dimse.pdu import ProtocolError, data_pdus, fragments
from tests.support.dimse import CT, ECHO, command, store


@pytest.mark.spec("PS3.7 E.1 (2024d)")
def test_response_reads_back() -> None:
    """A response names request, SOP class and instance, and keeps to the lengths of its elements."""
    answer = encode(response(decode(store("1.2.3")), 0xA700, "the disk\\is full" + "!" * 100))
    read = read_data_set(BytesIO(answer), True, True)
    assert (read.CommandField, read.MessageIDBeingRespondedTo, read.Status) == (0x8001, 9, 0xA700)
    assert (read.AffectedSOPClassUID, read.AffectedSOPInstanceUID) == (CT, "1.2.3")
    assert read.CommandDataSetType == 0x0101
    assert len(read.ErrorComment) == 64
    assert read.ErrorComment.startswith("the disk/is full")
    assert read.CommandGroupLength == len(answer) - 12


def test_data_set_type_tells_whether_data_follow() -> None:
    """0101H in CommandDataSetType means that no data set follows; anything else means that one does."""
    assert not has_data_set(decode(ECHO))
    assert has_data_set(decode(store("1.2.3")))


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        ECHO[:11],
        command({0x0100: 1}),
        command({0x0100: "1.2", 0x0800: 0x0101}),
        b"\x08\x00\x00\x00\x04\x00\x00\x00abcd",
    ],
)
def test_broken_commands_are_protocol_errors(broken: bytes) -> None:
    """A command set that is cut, foreign or lacks what every command has is not guessed at."""
    with pytest.raises(ProtocolError):
        decode(broken)


@pytest.mark.parametrize("maximum", [0, 128, 130, 16384])
def test_responses_keep_to_the_peers_length(maximum: int) -> None:
    """No PDU body is longer than the peer takes, and the fragments make the command again."""
    answer = encode({Element.CommandField: 0x8001, Element.ErrorComment: "x" * 200})
    pdus = list(data_pdus(3, answer, maximum))
    assert all(maximum == 0 or len(pdu) - 6 <= maximum for pdu in pdus)
    parts = [part for pdu in pdus for part in fragments(memoryview(pdu)[6:])]
    assert b"".join(part.data for part in parts) == answer
    assert [part.is_last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert {part.context_id for part in parts} == {3}
