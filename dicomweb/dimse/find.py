"""C-FIND: matches of an identifier, one response each, by the search that QIDO-RS makes too.

Spec: PS3.4 C.4.1 (2024d), PS3.7 9.1.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import psycopg
import structlog

from dicomweb.dicomjson.model import Member, Members
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, Element, has_data_set, response
from dicomweb.dimse.exchange import Exchange
from dicomweb.dimse.identifier import Gathering, Identifier, known, write
from dicomweb.dimse.operation import Answer, Operation, Status
from dicomweb.dimse.query_retrieve import FIND, QUERY_RETRIEVE_LEVEL, Asked, Entity, question
from dicomweb.index.further import Catalogue
from dicomweb.index.naming import is_private
from dicomweb.status import FIND_STATUS, SUCCESS
from dicomweb.study.pages import Page, Place, page, patients
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, HealixError

log = structlog.get_logger("dimse")

SERVICE = "C-FIND"
PENDING, PENDING_WITH_UNSUPPORTED_KEYS, CANCELLED = 0xFF00, 0xFF01, 0xFE00
FIRST, PAGE = 100, 1000
"""Matches of the first page, which is soon there, and of further ones."""
RETRIEVE_AE_TITLE, INSTANCE_AVAILABILITY = 0x00080054, 0x00080056


@dataclass(frozen=True, slots=True)
class Search:
    """What searches need of the process: how use cases are run, where objects are retrieved, what the index holds.

    `most` is how many matches one C-FIND returns.
    """

    run: Callable[[Work[Page]], Page]
    aet: str
    catalogue: Catalogue
    most: int


class FindService:
    """The query service for one caller. `audit` records what is refused; searches record themselves."""

    def __init__(self, caller: Caller, search: Search, audit: Callable[[AuditRow], None]) -> None:
        self._caller = caller
        self._search = search
        self._audit = audit

    def __call__(self, command: Command, context: Context) -> Operation:
        """Begin to read the identifier, or refuse before it comes."""
        if command.get(Element.AffectedSOPClassUID) != context.abstract_syntax or context.abstract_syntax not in FIND:
            message = "not the SOP class of its presentation context"
            return Answer(self._refused(command, Status.SOP_CLASS_NOT_SUPPORTED, message))
        if not has_data_set(command):
            error = HealixError(Category.UNPROCESSABLE, "no identifier follows")
            return Answer(self.refused(command, error))
        return Find(command, context, self)

    def asked(self, gathering: Gathering, context: Context) -> tuple[Identifier, Asked]:
        """What the identifier asks for. Raises HealixError."""
        identifier = gathering.identifier(context.transfer_syntax)
        model = FIND[context.abstract_syntax]
        return identifier, question(identifier, model, context.extended, self._search.catalogue, FIRST)

    def matches(self, identifier: Identifier, asked: Asked, context: Context) -> Iterator[bytes]:
        """The identifiers of the responses, read page by page. Raises HealixError."""
        search = patients if asked.entity is Entity.PATIENT else page
        place: Place | None = None
        count = 0
        query = asked.query
        while True:
            found = self._run(search(self._caller.access, query, place))
            for one in found.objects:
                count += 1
                if count > self._search.most:
                    message = f"there are more than {self._search.most} matches"
                    raise HealixError(Category.TOO_LARGE, message)
                answer = _answer(known(one), identifier.members, asked, self._search.aet)
                yield write(answer, context.transfer_syntax, identifier.character_set)
            if found.last is None:
                return
            place = found.last
            query = replace(query, limit=PAGE)

    def refused(self, command: Command, error: HealixError) -> Command:
        """The last response to a query that is refused, which goes into audit trail and log."""
        return self._refused(command, FIND_STATUS[error.category], error.message, error.detail)

    def _run(self, work: Work[Page]) -> Page:
        try:
            return self._search.run(work)
        except psycopg.Error as error:
            raise HealixError(Category.UNAVAILABLE, "the database is not available", detail=str(error)) from error

    def _refused(self, command: Command, status: int, message: str, detail: str | None = None) -> Command:
        log.info("query refused", reason=detail or message)
        self._audit(AuditRow(self._caller.access.origin, "E", SERVICE, outcome=4))
        return response(command, status, message)


class Find:
    """One C-FIND under way."""

    def __init__(self, command: Command, context: Context, service: FindService) -> None:
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
            identifier, asked = self._service.asked(self._gathering, self._context)
            pending = response(self._command, PENDING_WITH_UNSUPPORTED_KEYS if asked.unsupported else PENDING)
            for match in self._service.matches(identifier, asked, self._context):
                if exchange.is_cancelled():
                    exchange.respond(response(self._command, CANCELLED))
                    return
                exchange.respond(pending, match)
        except HealixError as error:
            exchange.respond(self._service.refused(self._command, error))
            return
        exchange.respond(response(self._command, SUCCESS))

    def cancel(self) -> None:
        """Nothing is held."""


def _answer(found: Members, wanted: Members, asked: Asked, aet: str) -> Members:
    """The identifier of one match: what was asked for, empty where there is no value, and where to retrieve it.

    Spec: PS3.4 C.4.1.1.3.2 (2024d)
    """
    answer: Members = {
        QUERY_RETRIEVE_LEVEL: Member("CS", [asked.entity]),
        RETRIEVE_AE_TITLE: Member("AE", [aet]),
        INSTANCE_AVAILABILITY: Member("CS", ["ONLINE"]),
    }
    for tag in asked.returned:
        member = found.get(tag) if not is_private(tag) else _private(found, tag)
        if is_private(tag):
            reserved = tag & 0xFFFF0000 | (tag >> 8 & 0xFF)
            answer[reserved] = wanted[reserved]
        if member is None or member.uri is not None:
            answer[tag] = Member(wanted[tag].vr)
        else:
            answer[tag] = _narrowed(member, wanted.get(tag))
    return answer


def _private(found: Members, tag: int) -> Member | None:
    """The private attribute that was asked for, which the object may have in another block."""
    same = (one for one in found if one & 0xFFFF00FF == tag & 0xFFFF00FF and one & 0xFF00)
    return next((found[one] for one in same), None)


def _narrowed(member: Member, wanted: Member | None) -> Member:
    """A sequence with those attributes of its items that were asked for, all where none is named."""
    if member.vr != "SQ" or wanted is None or not wanted.values or not wanted.values[0]:
        return member
    inner: Members = wanted.values[0]
    return Member(
        "SQ", [{tag: _narrowed(item[tag], inner[tag]) for tag in inner if tag in item} for item in member.values]
    )
