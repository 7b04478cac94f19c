"""One established association: messages in, responses out, until it is released or aborted.

`run` is state Sta6 (data transfer) of PS3.8 Table 9-10; leaving it leads to Sta13 (awaiting close), which the gate
keeps. The data set of a message is not gathered: each fragment goes to the operation that its command began.

Spec: PS3.8 9.2 (2024d), PS3.7 6.3 and 9 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog

from dicomweb.dimse import command as dimse
from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.operation import Answer, Operation, Service, Status
from dicomweb.dimse.pdu import (
    RELEASE_RESPONSE,
    AbortReason,
    AbortSource,
    Fragment,
    PDUType,
    ProtocolError,
    abort,
    data_pdus,
    fragments,
)
from dicomweb.dimse.wire import ClosedError, ExpiredError, StoppingError, Wire

log = structlog.get_logger("dimse")


class Association:
    """The acceptor's side, after the A-ASSOCIATE-AC. `maximum` is the longest body that the peer takes.

    `aborted` hears why a peer that broke the protocol is thrown out.
    """

    def __init__(
        self,
        wire: Wire,
        contexts: Mapping[int, Context],
        maximum: int,
        services: Mapping[CommandField, Service],
        limits: Limits,
        aborted: Callable[[str], None],
    ) -> None:
        self._wire = wire
        self._contexts = contexts
        self._maximum = maximum
        self._services = services
        self._limits = limits
        self._aborted = aborted
        self._context_id: int | None = None  # of the message under way
        self._command = bytearray()
        self._operation: Operation | None = None
        self._size = 0

    def run(self) -> None:
        """Serve until the end; whatever that is, nothing half-received stays behind."""
        try:
            self._serve()
        except ProtocolError as error:
            log.info("association aborted", reason=str(error))
            self._aborted(str(error))
            self._abort(AbortSource.SERVICE_PROVIDER, error.reason)
        except (ExpiredError, StoppingError):
            self._abort(AbortSource.SERVICE_USER)
        except ClosedError:
            log.info("association lost")
        except Exception:
            log.exception("association failed")
            self._abort(AbortSource.SERVICE_USER)
        finally:
            if self._operation is not None:
                self._operation.cancel()

    def _serve(self) -> None:
        while True:
            between = self._context_id is None
            idle = self._limits.idle if between else self._limits.progress
            kind, body = self._wire.read(idle=idle, progress=self._limits.progress, interruptible=between)
            if kind is PDUType.P_DATA_TF:
                for fragment in fragments(body):
                    self._take(fragment)
            elif kind is PDUType.A_RELEASE_RQ:
                self._wire.write(RELEASE_RESPONSE)
                return
            elif kind is PDUType.A_ABORT:
                return
            else:
                raise ProtocolError(AbortReason.UNEXPECTED_PDU, f"{kind.name} within an association")

    def _take(self, fragment: Fragment) -> None:
        context = self._contexts.get(fragment.context_id)
        if context is None or self._context_id not in (None, fragment.context_id):
            raise _unexpected("a presentation context that was not accepted, or not begun")
        if fragment.is_command is (self._operation is not None):
            raise _unexpected("command and data set out of order")
        self._context_id = fragment.context_id
        if self._operation is None:
            self._take_command(fragment, context)
        else:
            self._take_data(fragment, self._operation)

    def _take_command(self, fragment: Fragment, context: Context) -> None:
        self._command += fragment.data
        if len(self._command) > dimse.LIMIT:
            raise ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, "command set too long")
        if not fragment.is_last:
            return
        command = dimse.decode(bytes(self._command))
        self._command.clear()
        if command[Element.CommandField] == CommandField.C_CANCEL_RQ:
            self._context_id = None  # nothing that it could cancel is under way
            return
        self._operation = self._begin(command, context)
        self._size = 0
        if not dimse.has_data_set(command):
            self._finish(self._operation)

    def _begin(self, command: Command, context: Context) -> Operation:
        field = int(command[Element.CommandField])
        if field & dimse.RESPONSE:
            raise _unexpected("a response to nothing")
        for known, service in self._services.items():
            if known == field:
                return service(command, context)
        message = f"operation {field:04X}H is not supported"
        return Answer(dimse.response(command, Status.UNRECOGNIZED_OPERATION, message))

    def _take_data(self, fragment: Fragment, operation: Operation) -> None:
        self._size += len(fragment.data)
        if self._size > self._limits.data_set:
            raise ProtocolError(AbortReason.NOT_SPECIFIED, "data set too long")
        operation.write(fragment.data)
        if fragment.is_last:
            self._finish(operation)

    def _finish(self, operation: Operation) -> None:
        answer = dimse.encode(operation.finish())
        context_id, self._context_id, self._operation = self._context_id, None, None
        assert context_id is not None
        for pdu in data_pdus(context_id, answer, self._maximum):
            self._wire.write(pdu)

    def _abort(self, source: AbortSource, reason: AbortReason = AbortReason.NOT_SPECIFIED) -> None:
        with suppress(ClosedError):
            self._wire.write(abort(source, reason))


def _unexpected(message: str) -> ProtocolError:
    return ProtocolError(AbortReason.UNEXPECTED_PDU_PARAMETER, message)
