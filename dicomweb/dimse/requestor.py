"""The requesting side of an association: opened, asked, released.

`associate` opens one and releases it when its block ends; an error aborts it. Everything that a peer may do wrong, or
leave undone, is a `PeerError` that says what and whether it may pass. Data sets go out as they come, in pieces; those
that come in are handed on in pieces, or gathered up to a limit.

Spec: PS3.8 7 and 9.2 (2024d), PS3.7 8 to 10 (2024d)
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event

from dicomweb.dimse import command as dimse
from dicomweb.dimse.associate import OUR_TITLE, Context, Proposal, Roles
from dicomweb.dimse.command import Command, CommandField, Element, Fragments
from dicomweb.dimse.data_transfer import AbortedError, DataTransfer, ReleasedError
from dicomweb.dimse.pdu import (
    RELEASE_REQUEST,
    RELEASE_RESPONSE,
    AbortReason,
    AbortSource,
    Fragment,
    PDUType,
    Piece,
    ProtocolError,
    abort,
)
from dicomweb.dimse.propose import Acceptance, acceptance, proposals, rejection, request
from dicomweb.dimse.wire import ClosedError, ExpiredError, SecureWire, StoppingError, Wire, tune
from healix_fhir.kernel.errors import Category, HealixError

LONGEST_PDU = 128 << 10
"""Longest P-DATA-TF body that is announced to the peer."""
LONGEST_ANSWER = 1 << 20
"""Longest data set of a response that is gathered."""
PENDING = frozenset({0xFF00, 0xFF01})
"""Statuses after which further responses come. Spec: PS3.7 C.3 (2024d)"""
GIVEN_UP = abort(AbortSource.SERVICE_USER)


class Failure(StrEnum):
    """How a peer fails."""

    UNREACHABLE = "unreachable"
    REJECTED = "rejected"
    ABORTED = "aborted"
    LOST = "lost"
    TIMED_OUT = "timed out"
    NOT_ACCEPTED = "not accepted"
    CONFUSED = "confused"
    STOPPED = "stopped"


class PeerError(HealixError):
    """A peer did not do what it was asked for; a `transient` failure may pass when it is asked again later.

    `due` is the PDU that ends the association then; none is due to who has ended it already.
    """

    def __init__(self, failure: Failure, message: str, *, transient: bool = True, due: bytes = GIVEN_UP) -> None:
        super().__init__(Category.UNAVAILABLE, message)
        self.failure = failure
        self.transient = transient
        self.due = due


@dataclass(frozen=True, slots=True)
class Remote:
    """Whom to call, and by which name; with `tls` over TLS (PS3.15 B.9)."""

    aet: str
    host: str
    port: int
    calling: str = OUR_TITLE
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.aet} at {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a peer is waited for, in seconds."""

    connect: float = 10
    """For the connection, and for TLS on it."""
    associate: float = 30
    """For the answer to the A-ASSOCIATE-RQ."""
    answer: float = 120
    """For the first byte of a response."""
    progress: float = 30
    """For a PDU that has begun, for the next one of a message, and for the peer to take what is sent."""
    release: float = 10
    """For the answer to the A-RELEASE-RQ."""


@dataclass(frozen=True, slots=True)
class Message:
    """A command that came, and the context it came in; its data set, if it has one, is read next."""

    context: Context
    command: Command

    @property
    def is_response(self) -> bool:
        """Whether it answers a request."""
        return bool(int(self.command[Element.CommandField]) & dimse.RESPONSE)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: its command, and its data set as it was encoded, in the transfer syntax of `context`."""

    context: Context
    command: Command
    data_set: bytes | None = None

    @property
    def status(self) -> int:
        """Its status."""
        return int(self.command[Element.Status])

    @property
    def is_pending(self) -> bool:
        """Whether further responses to the same request come."""
        return self.status in PENDING

    @property
    def comment(self) -> str:
        """What the peer says of it."""
        return str(self.command.get(Element.ErrorComment, ""))


@dataclass(slots=True)
class Requestor:
    """An established association. One message is under way at a time, in each direction; for one thread.

    `agreed` has its contexts, the longest body that the peer takes and the roles.
    """

    remote: Remote
    agreed: Acceptance
    _transfer: DataTransfer
    _patience: Patience
    _message_id: int = 0
    _heard: Fragments = field(default_factory=Fragments)
    _unread: int | None = None

    def context(self, sop_class: str, transfer_syntax: str | None = None) -> Context | None:
        """The accepted context for a SOP class, in that transfer syntax where it is named."""
        return next(
            (
                context
                for context in self.agreed.contexts.values()
                if context.abstract_syntax == sop_class and transfer_syntax in (None, context.transfer_syntax)
            ),
            None,
        )

    def needed(self, sop_class: str) -> Context:
        """The accepted context for a SOP class. Raises PeerError where the peer did not accept it."""
        found = self.context(sop_class)
        if found is None:
            message = f"{self.remote} does not accept the SOP class {sop_class}"
            raise PeerError(Failure.NOT_ACCEPTED, message, transient=False)
        return found

    def ask(self, context: Context, command: Command, data_set: Iterable[Piece] | None = None) -> Response:
        """Send a request and wait for its one response."""
        return next(iter(self.answers(context, command, data_set)))

    def answers(
        self, context: Context, command: Command, data_set: Iterable[Piece] | None = None
    ) -> Iterator[Response]:
        """Send a request; its responses until the last, which is not pending.

        Who leaves off before has to `cancel` and to read on. Raises PeerError.
        """
        message_id = self.request(context, command, data_set)
        while True:
            response = self.response(message_id)
            yield response
            if not response.is_pending:
                return

    def request(self, context: Context, command: Command, data_set: Iterable[Piece] | None = None) -> int:
        """Send a request; the message identifier that it got. Its command says neither that nor whether data follow."""
        self._message_id = self._message_id % 0xFFFF + 1
        self.send(context, {**command, Element.MessageID: self._message_id}, data_set)
        return self._message_id

    def send(self, context: Context, command: Command, data_set: Iterable[Piece] | None = None) -> None:
        """Send a message, also a response to one of the peer. Raises PeerError."""
        with self._told():
            self._transfer.send(context.id, {**command, Element.CommandDataSetType: dimse.NO_DATA_SET}, data_set)

    def cancel(self, context: Context, message_id: int) -> None:
        """Ask the peer to leave off; it answers the request under way with its last response. Spec: PS3.7 9.3.2.3"""
        self.send(
            context,
            {Element.CommandField: CommandField.C_CANCEL_RQ, Element.MessageIDBeingRespondedTo: message_id},
        )

    def response(self, message_id: int) -> Response:
        """The next response to a request. Raises PeerError when something else comes."""
        return self.answered(self.receive(), message_id)

    def answered(self, message: Message, message_id: int) -> Response:
        """A message as a response to a request. Raises PeerError when it is something else."""
        if not message.is_response or message.command.get(Element.MessageIDBeingRespondedTo) != message_id:
            raise self._confused("something else than a response to what was asked")
        if Element.Status not in message.command:
            raise self._confused("a response without a status")
        data_set = b"".join(self._gathered()) if dimse.has_data_set(message.command) else None
        return Response(message.context, message.command, data_set)

    def receive(self, patience: float | None = None) -> Message:
        """The next message, whatever it is, waited for `patience` seconds, as for an answer where that is not said.
        A data set that follows is to be read with `pieces`.
        """
        patience = self._patience.answer if patience is None else patience
        command = None
        while command is None:
            begun = self._heard.context_id is not None
            fragment = self._fragment(self._patience.progress if begun else patience)
            if not fragment.is_command:
                raise self._confused("a data set without a command")
            with self._told():
                command = self._heard.add(fragment)
        self._unread = fragment.context_id if dimse.has_data_set(command) else None
        return Message(self.agreed.contexts[fragment.context_id], command)

    def pieces(self) -> Iterator[memoryview]:
        """The data set of the message that came last; each piece is valid until the next is asked for."""
        while self._unread is not None:
            fragment = self._fragment(self._patience.progress)
            if fragment.is_command or fragment.context_id != self._unread:
                raise self._confused("something else than the data set that it announced")
            if fragment.is_last:
                self._unread = None
            yield fragment.data

    def release(self) -> None:
        """End the association in good order; data that the peer sends meanwhile are dropped.

        Raises PeerError. Spec: PS3.8 7.2 and Table 9-10, Sta7, Sta9 and Sta11 (2024d)
        """
        wire = self._transfer.wire
        expected = {PDUType.P_DATA_TF, PDUType.A_RELEASE_RQ}
        with self._told():
            wire.write(RELEASE_REQUEST)
            ends = time.monotonic() + self._patience.release
            while time.monotonic() < ends:
                kind, _ = wire.read(idle=self._patience.release, progress=self._patience.release, interruptible=True)
                if kind in (PDUType.A_RELEASE_RP, PDUType.A_ABORT):
                    return
                if kind not in expected:
                    raise ProtocolError(AbortReason.UNEXPECTED_PDU, f"{kind.name} instead of an A-RELEASE-RP")
                if kind is PDUType.A_RELEASE_RQ:  # both at once
                    wire.write(RELEASE_RESPONSE)
                    expected.clear()
            raise ExpiredError

    def _gathered(self) -> Iterator[bytes]:
        size = 0
        for piece in self.pieces():
            size += len(piece)
            if size > LONGEST_ANSWER:
                raise self._confused(f"an answer of more than {LONGEST_ANSWER >> 20} MB")
            yield bytes(piece)

    def _fragment(self, idle: float) -> Fragment:
        with self._told(idle):
            fragment = self._transfer.fragment(idle=idle, progress=self._patience.progress, interruptible=True)
        if fragment.context_id not in self.agreed.contexts:
            raise self._confused("a presentation context that was not accepted")
        return fragment

    @contextmanager
    def _told(self, idle: float = 0) -> Iterator[None]:
        """Tell what the peer does wrong."""
        try:
            with _failures(self.remote, idle or self._patience.progress):
                yield
        except ReleasedError as error:
            message = f"{self.remote} ended the association before it had answered"
            raise PeerError(Failure.LOST, message, due=RELEASE_RESPONSE) from error

    def _confused(self, what: str) -> PeerError:
        return PeerError(Failure.CONFUSED, f"{self.remote} sends {what}", transient=False)


@contextmanager
def associate(
    remote: Remote,
    offered: Iterable[tuple[str, Sequence[str]]],
    *,
    roles: Mapping[str, Roles] | None = None,
    patience: Patience | None = None,
    stop: Event | None = None,
) -> Iterator[Requestor]:
    """An association for pairs of an abstract syntax and transfer syntaxes, at most `MOST_CONTEXTS`.

    `roles` are proposed where this side would not be the SCU only. Setting `stop` ends every wait. Raises PeerError
    when it is not established; not when the peer accepts no context, which is seen from `agreed`.
    """
    patience = patience or Patience()
    connection = _connect(remote, patience)
    try:
        wire = _wire(connection, patience, stop or Event())
        try:
            requestor = _established(wire, remote, proposals(offered), roles or {}, patience)
            yield requestor
        except BaseException as error:
            _part(wire, error)
            raise
        try:
            requestor.release()
        except PeerError as error:  # all was said, whatever becomes of the farewell
            _part(wire, error)
    finally:
        connection.close()


def _part(wire: Wire, error: BaseException) -> None:
    """Send the last PDU that is due after an error. Spec: PS3.8 Tables 9-6 to 9-10 (2024d)"""
    due = error.due if isinstance(error, PeerError) else GIVEN_UP
    with suppress(ClosedError):
        wire.write(due)


def _connect(remote: Remote, patience: Patience) -> socket.socket:
    """A connection, over TLS where that is asked for."""
    try:
        connection = socket.create_connection((remote.host, remote.port), timeout=patience.connect)
    except TimeoutError as error:
        raise PeerError(Failure.TIMED_OUT, f"{remote} does not answer within {patience.connect:g} s") from error
    except OSError as error:
        raise PeerError(Failure.UNREACHABLE, f"{remote} cannot be reached: {error.strerror or error}") from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if remote.tls is None:
        return connection
    try:
        return remote.tls.wrap_socket(connection, server_hostname=remote.host)
    except OSError as error:
        connection.close()
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise PeerError(Failure.UNREACHABLE, f"{remote} cannot be reached over TLS: {reason or error}") from error


def _wire(connection: socket.socket, patience: Patience, stop: Event) -> Wire:
    if isinstance(connection, ssl.SSLSocket):
        return SecureWire(connection, limit=LONGEST_PDU, stop=stop, sending=patience.progress)
    tune(connection, sending=patience.progress)
    return Wire(connection, limit=LONGEST_PDU, stop=stop)


def _established(
    wire: Wire, remote: Remote, offered: Sequence[Proposal], roles: Mapping[str, Roles], patience: Patience
) -> Requestor:
    with _failures(remote, patience.associate):
        wire.write(request(remote.aet, remote.calling, offered, roles, LONGEST_PDU))
        kind, body = wire.read(idle=patience.associate, progress=patience.progress, interruptible=True)
        if kind is PDUType.A_ASSOCIATE_RJ:
            refused = rejection(body)
            message = f"{remote} rejected the association: {refused.reason}"
            raise PeerError(Failure.REJECTED, message, transient=refused.transient, due=b"")
        if kind is PDUType.A_ABORT:
            raise AbortedError("before it began")
        if kind is not PDUType.A_ASSOCIATE_AC:
            raise ProtocolError(AbortReason.UNEXPECTED_PDU, f"{kind.name} instead of an A-ASSOCIATE-AC")
        agreed = acceptance(body, offered)
    return Requestor(remote, agreed, DataTransfer(wire, agreed.maximum), patience)


@contextmanager
def _failures(remote: Remote, seconds: float) -> Iterator[None]:
    """What goes wrong on a connection as a PeerError."""
    try:
        yield
    except AbortedError as error:
        raise PeerError(Failure.ABORTED, f"{remote} aborted the association ({error})", due=b"") from error
    except ClosedError as error:
        raise PeerError(Failure.LOST, f"the connection to {remote} is lost", due=b"") from error
    except ExpiredError as error:
        raise PeerError(Failure.TIMED_OUT, f"{remote} does not answer within {seconds:g} s") from error
    except StoppingError as error:
        raise PeerError(Failure.STOPPED, "the server stops") from error
    except ProtocolError as error:
        due = abort(AbortSource.SERVICE_PROVIDER, error.reason)
        raise PeerError(Failure.CONFUSED, f"{remote} sends {error}", transient=False, due=due) from error
