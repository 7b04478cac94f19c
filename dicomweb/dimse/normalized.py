"""A DIMSE-N operation under way: its data set is gathered, what is asked is done, and one response goes out.

Spec: PS3.7 7.5.2 and 10 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import msgspec
import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dicomjson.reading import DataSet, as_json, checked
from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, has_data_set
from dicomweb.dimse.exchange import Exchange
from dicomweb.dimse.identifier import Gathering, known, write
from healix_fhir.kernel.database import Row, Work, transaction
from healix_fhir.kernel.errors import Category, HealixError

Result = TypeVar("Result")


class Service(Protocol):
    """What a DIMSE-N operation is for one caller."""

    def perform(self, command: Command, given: DataSet) -> tuple[Command, DataSet | None]:
        """The response, and what is retrieved. Raises HealixError."""
        ...

    def refused(self, command: Command, error: HealixError) -> Command:
        """The response to what is refused, which goes into audit trail and log."""
        ...


class NormalizedOperation:
    """One operation under way; what is retrieved is written in `character_set` where that can say it."""

    def __init__(
        self,
        command: Command,
        context: Context,
        service: Service,
        gathering: Gathering,
        character_set: Sequence[str] = (),
    ) -> None:
        self._command = command
        self._syntax = context.transfer_syntax
        self._service = service
        self._gathering = gathering
        self._character_set = character_set

    def write(self, data: memoryview) -> None:
        """Keep the piece."""
        self._gathering.write(data)

    def finish(self, exchange: Exchange) -> None:
        """Do it, durably, then answer."""
        try:
            given: DataSet = {}
            if has_data_set(self._command):
                given = checked(as_json(self._gathering.identifier(self._syntax).members), self._gathering.elements)
            answer, found = self._service.perform(self._command, given)
            data_set = None
            if found is not None:
                data_set = write(known(msgspec.json.encode(found)), self._syntax, self._character_set)
        except HealixError as error:
            exchange.respond(self._service.refused(self._command, error))
            return
        exchange.respond(answer, data_set)

    def cancel(self) -> None:
        """Nothing is held."""


def durably(pool: ConnectionPool[Connection[Row]], work: Callable[[], Work[Result]]) -> Result:
    """Run a use case in a transaction of its own. Raises what it raises, and Unavailable without a database."""
    try:
        return transaction(pool, work)
    except psycopg.Error as error:
        raise HealixError(Category.UNAVAILABLE, "the database is not available", detail=str(error)) from error
