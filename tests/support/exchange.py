"""An exchange without an association: it keeps what an operation answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from dicomweb.dimse.associate import Context, ContextResult
from dicomweb.dimse.command import Command, Element
from dicomweb.dimse.operation import Service
from tests.support.dimse import EXPLICIT


def accepted(sop_class: str, transfer_syntax: str = EXPLICIT) -> Context:
    """An accepted presentation context."""
    return Context(1, ContextResult.ACCEPTANCE, sop_class, transfer_syntax)


@dataclass
class Heard:
    """What was answered: each status with its data set. `cancelled` says whether a C-CANCEL has come."""

    context: Context
    cancelled: Callable[[], bool] = lambda: False
    answers: list[tuple[int, bytes | None]] = field(default_factory=list)

    @property
    def statuses(self) -> list[int]:
        """The statuses in their order."""
        return [status for status, _ in self.answers]

    @property
    def contexts(self) -> Mapping[int, Context]:
        """The one."""
        return {self.context.id: self.context}

    def respond(self, command: Command, data_set: bytes | None = None) -> None:
        """Keep it."""
        self.answers.append((int(command[Element.Status]), data_set))

    def is_cancelled(self) -> bool:
        """As the test says."""
        return self.cancelled()

    def ask(self, context_id: int, command: Command, data: Iterable[bytes | memoryview] | None = None) -> Command:
        """Nothing is asked here."""
        raise AssertionError((context_id, command, data))


def answered(
    service: Service,
    command: Command,
    context: Context,
    data: bytes | None,
    cancelled: Callable[[], bool] | None = None,
) -> Heard:
    """What a service answers to a command and its data set."""
    heard = Heard(context, cancelled or (lambda: False))
    operation = service({**command, Element.CommandDataSetType: 0x0101 if data is None else 1}, context)
    if data is not None:
        operation.write(memoryview(data))
    operation.finish(heard)
    return heard
