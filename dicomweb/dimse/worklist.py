"""C-FIND of the modality worklist: one response for each scheduled step that matches.

Spec: PS3.4 K.4.1 and K.6.1 (2024d), PS3.7 9.1.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import psycopg
import structlog
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dicomjson.reading import as_json
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, Element, has_data_set, response
from dicomweb.dimse.contexts import MODALITY_WORKLIST
from dicomweb.dimse.exchange import Exchange
from dicomweb.dimse.find import CANCELLED, PENDING, PENDING_WITH_UNSUPPORTED_KEYS
from dicomweb.dimse.identifier import Gathering, Identifier, known, write
from dicomweb.dimse.operation import Answer, Operation, Status
from dicomweb.procedure.scheduled.search import START, Page, Place, Query, query, search
from dicomweb.status import FIND_STATUS, SUCCESS
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.errors import Category, HealixError

log = structlog.get_logger("dimse")

WORD = "query-worklist"
FUZZY = 2
"""The byte of the application information that asks for fuzzy names. Spec: PS3.4 Table K.5.1-1 (2024d)"""
LARGEST = 10_000
"""Matches of one request: no list that anyone works through is longer."""

Pool = ConnectionPool[Connection[Row]]


@dataclass(frozen=True, slots=True)
class WorklistService:
    """The worklist for one caller. `audit` records what is refused; searches record themselves."""

    caller: Caller
    pool: Pool
    audit: Callable[[AuditRow], None]

    def __call__(self, command: Command, context: Context) -> Operation:
        """Begin to read the identifier, or refuse before it comes."""
        if command.get(Element.AffectedSOPClassUID) != MODALITY_WORKLIST:
            message = "not the SOP class of its presentation context"
            return Answer(self._refused(command, Status.SOP_CLASS_NOT_SUPPORTED, message))
        if not has_data_set(command):
            return Answer(self.refused(command, HealixError(Category.UNPROCESSABLE, "no identifier follows")))
        return WorklistFind(command, context, self)

    def matches(
        self, asked: Query, identifier: Identifier, context: Context, is_cancelled: Callable[[], bool]
    ) -> Iterator[bytes]:
        """The identifiers of the responses, read page by page until it is cancelled. Raises HealixError."""
        after: Place | None = START
        count = 0
        while after is not None and not is_cancelled():  # pages may be without a match
            page = self._page(asked, after)
            for one in page.answers:
                count += 1
                if count > LARGEST:
                    raise HealixError(Category.TOO_LARGE, f"there are more than {LARGEST} matches")
                members = known(msgspec.json.encode(one))
                yield write(members, context.transfer_syntax, identifier.character_set)
            after = page.after

    def refused(self, command: Command, error: HealixError) -> Command:
        """The last response to a query that is refused, which goes into audit trail and log."""
        return self._refused(command, FIND_STATUS[error.category], error.message, error.detail)

    def _page(self, asked: Query, after: Place) -> Page:
        try:
            return transaction(self.pool, lambda: search(self.caller.access, asked, after))
        except psycopg.Error as error:
            raise HealixError(Category.UNAVAILABLE, "the database is not available", detail=str(error)) from error

    def _refused(self, command: Command, status: int, message: str, detail: str | None = None) -> Command:
        log.info("query refused", reason=detail or message)
        self.audit(AuditRow(self.caller.access.origin, "E", WORD, outcome=4))
        return response(command, status, message)


class WorklistFind:
    """One C-FIND under way."""

    def __init__(self, command: Command, context: Context, service: WorklistService) -> None:
        self._command = command
        self._context = context
        self._service = service
        self._gathering = Gathering()

    def write(self, data: memoryview) -> None:
        """Keep the piece."""
        self._gathering.write(data)

    def finish(self, exchange: Exchange) -> None:
        """A pending response for each match, and the last one without an identifier."""
        try:
            identifier = self._gathering.identifier(self._context.transfer_syntax)
            fuzzy = self._context.extended[FUZZY : FUZZY + 1] == b"\1"
            asked = query(as_json(identifier.members), self._service.caller.aet, fuzzy=fuzzy)
            pending = response(self._command, PENDING if asked.all_supported else PENDING_WITH_UNSUPPORTED_KEYS)
            for match in self._service.matches(asked, identifier, self._context, exchange.is_cancelled):
                if exchange.is_cancelled():
                    break
                exchange.respond(pending, match)
        except HealixError as error:
            exchange.respond(self._service.refused(self._command, error))
            return
        exchange.respond(response(self._command, CANCELLED if exchange.is_cancelled() else SUCCESS))

    def cancel(self) -> None:
        """Nothing is held."""
