"""Messages over an association that is ready for data transfer (Sta6), whichever side it is of.

A message is a command set and perhaps a data set, cut into fragments. Coming ones are taken fragment by fragment, so
that a data set need not be gathered; going ones are streamed from pieces, for the same reason.

Spec: PS3.8 9.2, 9.3.5 and Annex E (2024d), PS3.7 6.3.1 (2024d)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from dicomweb.dimse import command as dimse
from dicomweb.dimse.command import Command, Element
from dicomweb.dimse.pdu import (
    AbortReason,
    AbortSource,
    Fragment,
    PDUType,
    Piece,
    ProtocolError,
    data_pdus,
    data_set_pdus,
    fragments,
)
from dicomweb.dimse.wire import ClosedError, Wire

TOGETHER = 64 << 10
"""Bytes of PDUs that wait for more to be sent in one call."""


class ReleasedError(Exception):
    """The peer asks for the release of the association."""


class AbortedError(ClosedError):
    """The peer aborted the association; its text says who did, and why."""


class DataTransfer:
    """Fragments in and messages out. `maximum` is the longest P-DATA-TF body that the peer takes, 0 for any."""

    def __init__(self, wire: Wire, maximum: int) -> None:
        self.wire = wire
        self._maximum = maximum
        self._values: deque[Fragment] = deque()  # of the PDU that was read last

    def fragment(self, *, idle: float, progress: float, interruptible: bool = False) -> Fragment:
        """The next fragment, valid until the next call; `idle` seconds are waited for it to begin.

        Raises ReleasedError, AbortedError, ProtocolError for any other PDU than P-DATA-TF, and as `Wire.read`.
        """
        if self._values:
            return self._values.popleft()
        kind, body = self.wire.read(idle=idle, progress=progress, interruptible=interruptible)
        if kind is PDUType.P_DATA_TF:
            self._values.extend(fragments(body))
            return self._values.popleft()
        if kind is PDUType.A_RELEASE_RQ:
            raise ReleasedError
        if kind is PDUType.A_ABORT:
            by = "service user" if body[2] == AbortSource.SERVICE_USER else "service provider"
            raise AbortedError(f"the {by}, reason {body[3]}")
        raise ProtocolError(AbortReason.UNEXPECTED_PDU, f"{kind.name} within an association")

    def poll(self, *, progress: float) -> Fragment | None:
        """The next fragment if it has begun to come, else None at once. Raises as `fragment`."""
        if self._values or self.wire.has_come():
            return self.fragment(idle=progress, progress=progress)
        return None

    def send(self, context_id: int, command: Command, data: Iterable[Piece] | None = None) -> None:
        """Send a message; its data set in pieces that are read as they go. Raises ClosedError."""
        if data is not None:
            command = {**command, Element.CommandDataSetType: dimse.DATA_SET}
        held: list[Piece] = [*data_pdus(context_id, dimse.encode(command), self._maximum)]
        for pdus in data_set_pdus(context_id, data, self._maximum) if data is not None else ():
            held += pdus
            if sum(map(len, held)) > TOGETHER:
                self.wire.write_all(held)
                held = []
        if held:
            self.wire.write_all(held)
