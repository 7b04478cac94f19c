"""A C-FIND under way, whatever it searches: responses, their end, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
import pytest

from dicomweb.dicomjson.model import Member, Members
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.dimse.query import Found, QueryService, Question, narrowed
from healix_fhir.kernel.audit import AuditRow, Origin
from healix_fhir.kernel.errors import Category, HealixError, invalid
from smart_auth.access import AccessContext
from tests.support.exchange import Heard, accepted, answered

MODEL = "1.2.840.10008.5.1.4.31"
FIND: Command = {Element.CommandField: CommandField.C_FIND_RQ, Element.AffectedSOPClassUID: MODEL, Element.MessageID: 3}
IDENTIFIER = b"\x10\0\x20\0LO\0\0"
MATCH: Members = {0x00100020: Member("LO", ["P1"])}
MOST = 5


class Searched:
    """A search with pages of so many matches each; an error is raised in the place of a page."""

    def __init__(self, *pages: int | Exception, unsupported: bool = False) -> None:
        self.pages = pages
        self.unsupported = unsupported
        self.read = 0
        self.audit: list[AuditRow] = []

    def _pages(self) -> Iterator[Found]:
        for number, page in enumerate(self.pages, 1):
            if isinstance(page, Exception):
                raise page
            self.read = number
            yield Found([MATCH] * page, more=number < len(self.pages))

    def heard(self, command: Command = FIND, data: bytes | None = IDENTIFIER, *, after: int = 99) -> Heard:
        """What is answered when a C-CANCEL comes while page number `after` is read."""
        caller = Caller("CT1", frozenset(), AccessContext(frozenset(), Origin(client="CT1")))
        service = QueryService(
            caller,
            "query-test",
            {MODEL},
            MOST,
            lambda *_: Question(self._pages(), self.unsupported),
            self.audit.append,
        )
        context = accepted(str(command.get(Element.AffectedSOPClassUID, MODEL)))
        return answered(service, command, context, data, lambda: self.read >= after)


@pytest.mark.spec("PS3.4 C.4.1.1.4 (2024d)")
@pytest.mark.parametrize(
    ("pages", "unsupported", "statuses"),
    [
        ([0], False, [0]),
        ([2], False, [0xFF00, 0xFF00, 0]),
        ([1, 0, 1], True, [0xFF01, 0xFF01, 0]),
        ([3, 3], False, [0xFF00] * MOST + [0xA700]),
    ],
    ids=["nothing", "some", "unsupported keys", "too many"],
)
def test_each_match_is_a_pending_response(pages: Sequence[int], unsupported: bool, statuses: list[int]) -> None:
    """With its identifier; the last response has none."""
    heard = Searched(*pages, unsupported=unsupported).heard()
    assert heard.statuses == statuses
    assert [data for _, data in heard.answers] == [b"\x10\0\x20\0LO\x02\0P1"] * (len(statuses) - 1) + [None]


@pytest.mark.spec("PS3.7 9.3.2.3 (2024d)")
@pytest.mark.parametrize(
    ("pages", "after", "statuses", "read"),
    [
        ([0, 0, 0, 1], 2, [0xFE00], 2),
        ([1, 1, 1], 2, [0xFF00, 0xFE00], 2),
        ([1, 0], 2, [0xFF00, 0], 2),
    ],
    ids=["no match", "matches", "nothing left"],
)
def test_a_cancelled_query_reads_no_further(pages: Sequence[int], after: int, statuses: list[int], read: int) -> None:
    """A C-CANCEL is heard before each response, and between pages without a match."""
    searched = Searched(*pages)
    assert searched.heard(after=after).statuses == statuses
    assert searched.read == read


@pytest.mark.parametrize(
    ("page", "status"),
    [
        (psycopg.OperationalError("gone"), 0xA700),
        (invalid("no DT"), 0xA900),
        (HealixError(Category.FORBIDDEN, ""), 0x0124),
    ],
    ids=["no database", "bad key", "not allowed"],
)
def test_failures_end_a_query_and_are_on_record(page: Exception, status: int) -> None:
    """After what was found before."""
    searched = Searched(1, page)
    heard = searched.heard()
    assert heard.statuses == [0xFF00, status]
    assert [(row.action, row.subtype, row.outcome) for row in searched.audit] == [("E", "query-test", 4)]


@pytest.mark.parametrize(
    ("command", "data", "status"),
    [
        (FIND, None, 0xA900),
        ({**FIND, Element.AffectedSOPClassUID: "1.2.840.10008.1.1"}, IDENTIFIER, 0x0122),
        (FIND, b"no data set", 0xA900),
        (FIND, bytes(2 << 20), 0xA700),
    ],
    ids=["no identifier", "other class", "malformed", "too long"],
)
def test_what_is_no_query_is_refused(command: Command, data: bytes | None, status: int) -> None:
    """And nothing is searched for it."""
    searched = Searched(1)
    assert searched.heard(command, data).statuses == [status]
    assert searched.read == 0
    assert len(searched.audit) == 1


@pytest.mark.parametrize(
    ("wanted", "tags"),
    [
        (None, [1, 2]),
        (Member("SQ"), [1, 2]),
        (Member("SQ", [{}]), [1, 2]),
        (Member("SQ", [{1: Member("LO")}]), [1]),
        (Member("US", [5]), [1, 2]),
        (Member("LO", ["text"]), [1, 2]),
    ],
    ids=["not named", "no item", "empty item", "one attribute", "a number", "a text"],
)
def test_sequences_are_narrowed_to_what_was_asked_for(wanted: Member | None, tags: list[int]) -> None:
    """A key that is sent under another VR than that of a sequence asks for all of it."""
    found = narrowed(Member("SQ", [{1: Member("LO", ["a"]), 2: Member("LO", ["b"])}]), wanted)
    assert [list(item) for item in found.values] == [tags]
