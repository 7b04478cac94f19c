"""PDUs and command sets written by hand from PS3.8 and PS3.7, independently of the server's own encoders."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
PATIENCE = 60.0
"""Seconds after which a peer that waits for the server fails."""


def item(kind: int, content: bytes) -> bytes:
    """A variable item or sub-item."""
    return struct.pack(">BBH", kind, 0, len(content)) + content


def pdu(kind: int, body: bytes) -> bytes:
    """A whole PDU."""
    return struct.pack(">BBI", kind, 0, len(body)) + body


def proposal(context_id: int, abstract: str, transfer: Sequence[str]) -> bytes:
    """A presentation context item of a request."""
    content = bytes((context_id, 0, 0, 0)) + item(0x30, abstract.encode())
    return item(0x20, content + b"".join(item(0x40, uid.encode()) for uid in transfer))


def role(uid: str, *, scu: int, scp: int) -> bytes:
    """A role selection sub-item."""
    return item(0x54, struct.pack(">H", len(uid)) + uid.encode() + bytes((scu, scp)))


def extended(uid: str, content: bytes) -> bytes:
    """A SOP class extended negotiation sub-item."""
    return item(0x56, struct.pack(">H", len(uid)) + uid.encode() + content)


def request_body(
    proposals: Sequence[bytes],
    *,
    called: str = "HEALIX",
    calling: str = "MODALITY",
    version: int = 1,
    application: str = APPLICATION_CONTEXT,
    user: bytes = b"",
) -> bytes:
    """The body of an A-ASSOCIATE-RQ."""
    fixed = struct.pack(">HH16s16s32x", version, 0, called.ljust(16).encode(), calling.ljust(16).encode())
    maximum = item(0x51, struct.pack(">I", 16384))
    return fixed + item(0x10, application.encode()) + b"".join(proposals) + item(0x50, maximum + user)


def request(**changes: object) -> bytes:
    """An A-ASSOCIATE-RQ for verification (context 1) and CT storage (context 3)."""
    contexts = [proposal(1, VERIFICATION, [IMPLICIT]), proposal(3, CT, [EXPLICIT, IMPLICIT])]
    return pdu(1, request_body(contexts, **changes))  # type: ignore[arg-type]


def element(number: int, value: int | str) -> bytes:
    """An element of group 0000: US for a number, UI for a text."""
    text = str(value).encode()
    content = struct.pack("<H", value) if isinstance(value, int) else text + b"\0" * (len(text) % 2)
    return struct.pack("<HHI", 0, number, len(content)) + content


def command(elements: dict[int, int | str]) -> bytes:
    """A command set with its group length."""
    body = b"".join(element(number, value) for number, value in sorted(elements.items()))
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


ECHO = command({0x0002: VERIFICATION, 0x0100: 0x0030, 0x0110: 7, 0x0800: 0x0101})


def store(instance: str, *, sop_class: str = CT, data_set: int = 1) -> bytes:
    """The command set of a C-STORE-RQ."""
    return command({0x0002: sop_class, 0x0100: 1, 0x0110: 9, 0x0700: 0, 0x0800: data_set, 0x1000: instance})


def pdv(context_id: int, control: int, data: bytes) -> bytes:
    """A presentation data value; `control` is 3 for a last command fragment, 2 for a last data fragment."""
    return struct.pack(">IBB", len(data) + 2, context_id, control) + data


def p_data(context_id: int, control: int, data: bytes) -> bytes:
    """A P-DATA-TF with one value."""
    return pdu(4, pdv(context_id, control, data))


RELEASE = pdu(5, bytes(4))
ABORT = pdu(7, bytes(4))


class Peer:
    """A raw connection to a DIMSE port, from the local `address`."""

    def __init__(self, port: int, *, address: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE, source_address=(address, 0))

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all."""
        self.socket.sendall(data)

    def read(self) -> tuple[int, bytes] | None:
        """The next PDU as type and body, or None when the server hung up."""
        header = self._exactly(6)
        if len(header) < 6:
            return None
        kind, length = struct.unpack(">BxI", header)
        return kind, self._exactly(length)

    def associate(self, **changes: object) -> bytes:
        """Associate; the body of the acceptance."""
        self.send(request(**changes))
        answer = self.read()
        assert answer is not None
        assert answer[0] == 2, answer
        return answer[1]

    def status(self) -> int:
        """The status in the next response."""
        return self.answer()[0]

    def answer(self) -> tuple[int, str]:
        """The status in the next response, and its error comment."""
        answer = self.read()
        assert answer is not None
        assert answer[0] == 4, answer
        at = answer[1].index(struct.pack("<HHI", 0, 0x0900, 2))
        comment = answer[1].partition(struct.pack("<HH", 0, 0x0902))[2]
        length = int.from_bytes(comment[:4], "little")
        return int(struct.unpack_from("<H", answer[1], at + 8)[0]), comment[4 : 4 + length].decode()

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            try:
                piece = self.socket.recv(length - len(data))
            except ConnectionResetError:
                break
            if not piece:
                break
            data += piece
        return data
