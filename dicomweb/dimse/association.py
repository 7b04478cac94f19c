"""One established association: messages in, responses out, until it is released or aborted.

`run` is state Sta6 (data transfer) of PS3.8 Table 9-10; leaving it leads to Sta13 (awaiting close), which the gate
keeps. The data set of a message is not gathered: each fragment goes to the operation that its command began.

Spec: PS3.8 9.2 (2024d), PS3.7 6.3 and 9 (2024d)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from dicomweb.dimse import command as dimse
from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, CommandField, Element, Fragments
from dicomweb.dimse.contexts import COMMITMENT
from dicomweb.dimse.data_transfer import AbortedError, DataTransfer, ReleasedError
from dicomweb.dimse.exchange import Turn
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.operation import Answer, Operation, Service, Status, is_failure
from dicomweb.dimse.pdu import RELEASE_RESPONSE, AbortReason, AbortSource, Fragment, ProtocolError, abort
from dicomweb.dimse.wire import ClosedError, ExpiredError, StoppingError
from healix_fhir.kernel.log import get_logger
from healix_fhir.kernel.tracing import UNTOLD, begun

log = get_logger("dimse")

NAMES = {field.value: field.name.removesuffix("_RQ").replace("_", "-") for field in CommandField}
"""The operations by their fields, as the standard names them."""


class Association:
    """The acceptor's side, after the A-ASSOCIATE-AC. `aborted` hears why a peer that broke the protocol is cut off."""

    def __init__(
        self,
        transfer: DataTransfer,
        contexts: Mapping[int, Context],
        services: Mapping[CommandField, Service],
        limits: Limits,
        aborted: Callable[[str], None],
    ) -> None:
        self._transfer = transfer
        self._contexts = contexts
        self._services = services
        self._limits = limits
        self._aborted = aborted
        self._commands = Fragments()
        self._operation: Operation | None = None
        self._turn: Turn | None = None  # of the operation
        self._span = UNTOLD  # of the operation
        self._size = 0

    def run(self) -> None:
        """Serve until the end; whatever that is, nothing half-received stays behind."""
        try:
            self._serve()
        except ReleasedError:
            with suppress(ClosedError):
                self._transfer.wire.write(RELEASE_RESPONSE)
        except ProtocolError as error:
            log.info("association aborted", reason=str(error))
            self._aborted(str(error))
            self._abort(AbortSource.SERVICE_PROVIDER, error.reason)
        except (ExpiredError, StoppingError):
            self._abort(AbortSource.SERVICE_USER)
        except AbortedError:
            log.info("association aborted by the peer")
        except ClosedError:
            log.info("association lost")
        except Exception:
            log.exception("association failed")
            self._abort(AbortSource.SERVICE_USER)
        finally:
            if self._operation is not None:
                self._operation.cancel()
            self._span.failed()
            self._span.end()

    def _serve(self) -> None:
        progress, ends = self._limits.progress, time.monotonic() + self._limits.total
        while True:
            between = self._operation is None and self._commands.context_id is None
            if between and time.monotonic() > ends:
                raise ExpiredError
            idle = self._limits.idle if between else progress
            self._take(self._transfer.fragment(idle=idle, progress=progress, interruptible=between))

    def _take(self, fragment: Fragment) -> None:
        if self._turn is not None and self._operation is not None:
            if fragment.is_command or fragment.context_id != self._turn.context.id:
                raise _unexpected("not the data set of the command")
            self._take_data(fragment, self._operation, self._turn)
            return
        context = self._contexts.get(fragment.context_id)
        if context is None or not fragment.is_command:
            raise _unexpected("a presentation context that was not accepted, or data before a command")
        command = self._commands.add(fragment)
        if command is not None and command[Element.CommandField] != CommandField.C_CANCEL_RQ:
            self._begin(command, context)  # there is nothing that a C-CANCEL could cancel

    def _begin(self, command: Command, context: Context) -> None:
        self._span = begun(NAMES.get(int(command[Element.CommandField]), "other"), sop_class=context.abstract_syntax)
        self._turn = Turn(self._transfer, self._limits, self._contexts, context, command, self._commands)
        self._operation = self._begun(command, context)
        self._size = 0
        if not dimse.has_data_set(command):
            self._finish(self._operation, self._turn)

    def _begun(self, command: Command, context: Context) -> Operation:
        field = int(command[Element.CommandField])
        if field & dimse.RESPONSE:
            raise _unexpected("a response to nothing")
        is_report = field == CommandField.N_EVENT_REPORT_RQ
        if not (_may_report(context) if is_report else context.roles.scu):
            message = f"the requestor is not {'SCP' if is_report else 'SCU'} of the SOP class"
            return Answer(dimse.response(command, Status.SOP_CLASS_NOT_SUPPORTED, message))
        for known, service in self._services.items():
            if known == field:
                return service(command, context)
        message = f"operation {field:04X}H is not supported"
        return Answer(dimse.response(command, Status.UNRECOGNIZED_OPERATION, message))

    def _take_data(self, fragment: Fragment, operation: Operation, turn: Turn) -> None:
        self._size += len(fragment.data)
        if self._size > self._limits.data_set:
            raise ProtocolError(AbortReason.NOT_SPECIFIED, "data set too long")
        operation.write(fragment.data)
        if fragment.is_last:
            self._finish(operation, turn)

    def _finish(self, operation: Operation, turn: Turn) -> None:
        operation.finish(turn)
        self._span.tell("status", f"{turn.status:04X}")
        if is_failure(turn.status):
            self._span.failed()
        self._span.end()
        self._operation, self._turn, self._span = None, None, UNTOLD

    def _abort(self, source: AbortSource, reason: AbortReason = AbortReason.NOT_SPECIFIED) -> None:
        with suppress(ClosedError):
            self._transfer.wire.write(abort(source, reason))


def _may_report(context: Context) -> bool:
    """Whether the requestor may send N-EVENT-REPORT: as SCP, and of storage commitment without having said so.

    The standard has it negotiate the role; devices leave that out. Who may call for this class may report then, since a
    report counts only where that peer was asked.

    Spec: PS3.4 J.2.1 and J.3.3 (2024d), PS3.7 D.3.3.4 (2024d)
    """
    return context.roles.scp or context.abstract_syntax == COMMITMENT


def _unexpected(message: str) -> ProtocolError:
    return ProtocolError(AbortReason.UNEXPECTED_PDU_PARAMETER, message)
