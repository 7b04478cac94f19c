"""C-FIND, whatever is searched: the identifier read, a pending response for each match, a C-CANCEL heard in between.

What differs is the `Question` that an identifier means. Its pages are read while they are answered, so memory does
not depend on how many there are.

Spec: PS3.7 9.1.2 (2024d), PS3.4 C.4.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

import psycopg

from dicomweb.dicomjson.model import Member, Members
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, Element, has_data_set, response
from dicomweb.dimse.exchange import Exchange
from dicomweb.dimse.identifier import Gathering, Identifier, write
from dicomweb.dimse.operation import Answer, Operation, Status
from dicomweb.status import FIND_STATUS, SUCCESS
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.log import get_logger

log = get_logger("dimse")

PENDING, PENDING_WITH_UNSUPPORTED_KEYS, CANCELLED = 0xFF00, 0xFF01, 0xFE00


@dataclass(frozen=True, slots=True)
class Found:
    """A page of matches, which may be empty; `more`: whether another page follows."""

    matches: Iterable[Members]
    more: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What an identifier asks for; `unsupported`: whether it has keys that are neither matched nor returned."""

    pages: Iterator[Found]
    unsupported: bool


@dataclass(frozen=True, slots=True)
class QueryService:
    """The query service of some SOP classes for one caller, who gets at most `most` matches.

    `ask` raises HealixError. `audit` records under `word` what is refused; searches record themselves.
    """

    caller: Caller
    word: str
    classes: Collection[str]
    most: int
    ask: Callable[[Identifier, Context], Question]
    audit: Callable[[AuditRow], None]

    def __call__(self, command: Command, context: Context) -> Operation:
        """Begin to read the identifier, or refuse before it comes."""
        sop_class = context.abstract_syntax
        if command.get(Element.AffectedSOPClassUID) != sop_class or sop_class not in self.classes:
            message = "not the SOP class of its presentation context"
            return Answer(self._refused(command, Status.SOP_CLASS_NOT_SUPPORTED, message))
        if not has_data_set(command):
            return Answer(self.refused(command, HealixError(Category.UNPROCESSABLE, "no identifier follows")))
        return Query(command, context, self)

    def refused(self, command: Command, error: HealixError) -> Command:
        """The last response to a query that is refused, which goes into audit trail and log."""
        return self._refused(command, FIND_STATUS[error.category], error.message, error.detail)

    def _refused(self, command: Command, status: int, message: str, detail: str | None = None) -> Command:
        log.info("query refused", reason=detail or message)
        self.audit(AuditRow(self.caller.access.origin, "E", self.word, outcome=4))
        return response(command, status, message)


class Query:
    """One C-FIND under way."""

    def __init__(self, command: Command, context: Context, service: QueryService) -> None:
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
            last = response(self._command, self._answered(exchange))
        except HealixError as error:
            last = self._service.refused(self._command, error)
        exchange.respond(last)

    def cancel(self) -> None:
        """Nothing is held."""

    def _answered(self, exchange: Exchange) -> int:
        """Send the matches; the status of the last response. Raises HealixError."""
        syntax = self._context.transfer_syntax
        identifier = self._gathering.identifier(syntax)
        question = self._service.ask(identifier, self._context)
        pending = response(self._command, PENDING_WITH_UNSUPPORTED_KEYS if question.unsupported else PENDING)
        count = 0
        for page in _available(question.pages):
            for match in page.matches:
                count += 1
                if count > self._service.most:
                    raise HealixError(Category.TOO_LARGE, f"there are more than {self._service.most} matches")
                answer = write(match, syntax, identifier.character_set)
                if exchange.is_cancelled():
                    return CANCELLED
                exchange.respond(pending, answer)
            if page.more and exchange.is_cancelled():  # pages may be without a match
                return CANCELLED
        return SUCCESS


def _available(pages: Iterator[Found]) -> Iterator[Found]:
    """The pages, as long as there is a database to read them from."""
    try:
        yield from pages
    except psycopg.Error as error:
        raise HealixError(Category.UNAVAILABLE, "the database is not available", detail=str(error)) from error


def narrowed(member: Member, wanted: Member | None) -> Member:
    """A sequence with those attributes of its items that were asked for, all where none is named."""
    if member.vr != "SQ" or wanted is None or wanted.vr != "SQ" or not wanted.values or not wanted.values[0]:
        return member
    inner: Members = wanted.values[0]
    return Member(
        "SQ", [{tag: narrowed(item[tag], inner[tag]) for tag in inner if tag in item} for item in member.values]
    )
