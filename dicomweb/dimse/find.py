"""C-FIND of the Query/Retrieve models: by the search that QIDO-RS makes too.

Spec: PS3.4 C.4.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from dicomweb.dicomjson.model import Member, Members
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context
from dicomweb.dimse.identifier import Identifier, known
from dicomweb.dimse.query import Found, QueryService, Question, narrowed
from dicomweb.dimse.query_retrieve import FIND, QUERY_RETRIEVE_LEVEL, Asked, Entity, question
from dicomweb.index.further import Catalogue
from dicomweb.index.naming import is_private
from dicomweb.study.pages import Page, Place, page, page_with_related, patients
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Work
from smart_auth.access import AccessContext

SERVICE = "C-FIND"
FIRST, PAGE = 100, 1000
"""Matches of the first page, which is soon there, and of further ones."""
RETRIEVE_AE_TITLE, INSTANCE_AVAILABILITY = 0x00080054, 0x00080056


@dataclass(frozen=True, slots=True)
class Search:
    """What searches need of the process: how use cases are run, where objects are retrieved, what the index holds.

    `most` is how many matches one C-FIND returns.
    """

    run: Callable[[Callable[[], Work[Page]]], Page]
    aet: str
    catalogue: Catalogue
    most: int


def find_service(caller: Caller, search: Search, audit: Callable[[AuditRow], None]) -> QueryService:
    """The query service for one caller."""

    def ask(identifier: Identifier, context: Context) -> Question:
        model = FIND[context.abstract_syntax]
        asked = question(identifier, model, context.extended, search.catalogue, FIRST)
        return Question(_pages(caller.access, search, identifier.members, asked), asked.unsupported)

    return QueryService(caller, SERVICE, FIND, search.most, ask, audit)


def _pages(access: AccessContext, search: Search, wanted: Members, asked: Asked) -> Iterator[Found]:
    """The identifiers of the responses."""
    looked_up = patients if asked.entity is Entity.PATIENT else page_with_related if asked.related else page
    place: Place | None = None
    query = asked.query
    while True:
        found = search.run(partial(looked_up, access, query, place))
        yield Found((_answer(known(one), wanted, asked, search.aet) for one in found.objects), found.last is not None)
        if found.last is None:
            return
        place = found.last
        query = replace(query, limit=PAGE)


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
            answer[tag] = narrowed(member, wanted.get(tag))
    return answer


def _private(found: Members, tag: int) -> Member | None:
    """The private attribute that was asked for, which the object may have in another block."""
    same = (one for one in found if one & 0xFFFF00FF == tag & 0xFFFF00FF and one & 0xFF00)
    return next((found[one] for one in same), None)
