"""One DIMSE operation: what a service does with a command and the data set that may follow it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Protocol, TypeAlias

from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command
from dicomweb.dimse.exchange import Exchange


class Status(IntEnum):
    """Statuses of any service. Spec: PS3.7 Annex C (2024d)"""

    SUCCESS = 0x0000
    INVALID_SOP_INSTANCE = 0x0117
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    UNRECOGNIZED_OPERATION = 0x0211
    RESOURCE_LIMITATION = 0x0213


WARNINGS = frozenset({0x0001, 0x0107, 0x0116})
"""Those outside of Bxxx."""


def is_failure(status: int) -> bool:
    """Whether it is of the type Failure. Spec: PS3.7 Annex C (2024d)"""
    return status >> 12 in (0xA, 0xC) or (status >> 8 in (0x01, 0x02) and status not in WARNINGS)


class Operation(Protocol):
    """Takes the data set as it arrives, then answers. `cancel` is called instead when the association ends before."""

    def write(self, data: memoryview) -> None:
        """The next piece of the data set; valid during the call only."""

    def finish(self, exchange: Exchange) -> None:
        """Answer: send the last response, and before it those that may come before."""

    def cancel(self) -> None:
        """Leave nothing behind."""


Service: TypeAlias = Callable[[Command, Context], Operation]
"""Begins an operation for a request that came in an accepted presentation context."""


def by_class(services: Mapping[str, Service], otherwise: Service) -> Service:
    """The service of an operation that several SOP classes have, by that of the presentation context."""
    return lambda command, context: services.get(context.abstract_syntax, otherwise)(command, context)


class Answer:
    """The operation that answers at once; a data set that follows is read and dropped."""

    def __init__(self, response: Command) -> None:
        self._response = response

    def write(self, data: memoryview) -> None:
        """Drop it."""

    def finish(self, exchange: Exchange) -> None:
        """Send the response given at the start."""
        exchange.respond(self._response)

    def cancel(self) -> None:
        """Nothing is held."""
