"""What an operation has of its association while it answers: responses out, C-CANCEL in, sub-operations both ways.

One operation is answered at a time, so while it is nothing may come but what concerns it: a C-CANCEL, the response to
a sub-operation, release or abort. The socket is only looked at when the operation asks.

Spec: PS3.7 6.3, 8.1, 9.3.2.3, 9.3.3.3 and 9.3.4.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from dicomweb.dimse import command as dimse
from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, CommandField, Element, Fragments
from dicomweb.dimse.data_transfer import DataTransfer
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.pdu import AbortReason, Fragment, Piece, ProtocolError


class Exchange(Protocol):
    """The exchange that a request began. Its methods raise what ends the association: let that pass."""

    @property
    def contexts(self) -> Mapping[int, Context]:
        """The accepted presentation contexts, with the roles agreed."""

    @property
    def context(self) -> Context:
        """The one that the request came in."""

    def respond(self, command: Command, data_set: bytes | None = None) -> None:
        """Send one response, with its identifier if there is one."""

    def is_cancelled(self) -> bool:
        """Whether a C-CANCEL for this request has come; does not wait."""

    def ask(self, context_id: int, command: Command, data: Iterable[Piece] | None = None) -> Command:
        """Send a request of ours in an accepted context, and wait for its response. The message ID is given here.

        `data` is its data set in pieces, read as they go; what `data` raises ends the association.
        """


class Turn:
    """The exchange of one request on `transfer`."""

    def __init__(
        self,
        transfer: DataTransfer,
        limits: Limits,
        contexts: Mapping[int, Context],
        context: Context,
        request: Command,
        heard: Fragments,
    ) -> None:
        self._transfer = transfer
        self._limits = limits
        self.contexts = contexts
        self.context = context
        self._request = request
        self._heard = heard
        self._cancelled = False
        self._asked = 0
        self.status = 0  # of the last response

    def respond(self, command: Command, data_set: bytes | None = None) -> None:
        """Send it in the context of the request."""
        self.status = int(command.get(Element.Status, 0))
        self._transfer.send(self.context.id, command, None if data_set is None else (data_set,))

    def is_cancelled(self) -> bool:
        """Hear what has come."""
        while not self._cancelled and (fragment := self._transfer.poll(progress=self._limits.progress)) is not None:
            command = self._hear(fragment)
            if command is not None:
                raise _unexpected("a message while another is answered")
        return self._cancelled

    def ask(self, context_id: int, command: Command, data: Iterable[Piece] | None = None) -> Command:
        """Send, then hear until the response is there; its data set, if any, is dropped."""
        self._asked = self._asked % 0xFFFF + 1
        self._transfer.send(context_id, {**command, Element.MessageID: self._asked}, data)
        expected = int(command[Element.CommandField]) | dimse.RESPONSE, self._asked
        idle = self._limits.idle
        while True:
            fragment = self._transfer.fragment(idle=idle, progress=self._limits.progress)
            response = self._hear(fragment)
            if response is None:
                continue
            got = response[Element.CommandField], response.get(Element.MessageIDBeingRespondedTo)
            if fragment.context_id != context_id or got != expected:
                raise _unexpected("not the response to the request")
            if dimse.has_data_set(response):
                self._drop_data(context_id)
            return response

    def _hear(self, fragment: Fragment) -> Command | None:
        """What a fragment completes, other than C-CANCEL."""
        if fragment.context_id not in self.contexts or not fragment.is_command:
            raise _unexpected("data while a request is answered, or an unknown presentation context")
        command = self._heard.add(fragment)
        if command is None or command[Element.CommandField] != CommandField.C_CANCEL_RQ:
            return command
        if command.get(Element.MessageIDBeingRespondedTo) == self._request.get(Element.MessageID):
            self._cancelled = True
        return None

    def _drop_data(self, context_id: int) -> None:
        size = 0
        while True:
            fragment = self._transfer.fragment(idle=self._limits.progress, progress=self._limits.progress)
            size += len(fragment.data)
            if fragment.is_command or fragment.context_id != context_id or size > dimse.LIMIT:
                raise _unexpected("not the data set of the response")
            if fragment.is_last:
                return


def _unexpected(message: str) -> ProtocolError:
    return ProtocolError(AbortReason.UNEXPECTED_PDU_PARAMETER, message)
