"""C-FIND of workitems: in the contexts of the Pull, Watch and Query classes, by the search that UPS-RS makes too.

Spec: PS3.4 CC.2.8 and Table CC.2.5-3 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from dicomweb.dicomjson.model import Member, Members
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context
from dicomweb.dimse.identifier import Identifier, known, text
from dicomweb.dimse.query import Found, QueryService, Question, narrowed
from dicomweb.dimse.ups import SEARCHED
from dicomweb.index.naming import canonical, is_creator, is_private
from dicomweb.workitem.keys import UNMATCHED
from dicomweb.workitem.matching import Path, path_of
from dicomweb.workitem.search import Page, Place, Query, page
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext

WORD = "query-workitem"
FUZZY = 2
"""The byte of the application information that asks for fuzzy names. Spec: PS3.4 Table K.5.1-1 (2024d)"""
PAGE = 50
"""Items that are read at once, each with a data set of some MB at most."""
NO_KEYS = frozenset({0x00080005, 0x00080201})
"""Specific Character Set and Timezone Offset From UTC say something of the query, and are matched with nothing."""
IDENTITY = {0x00080016: "UI", 0x00080018: "UI"}
"""SOP Class UID and SOP Instance UID are in every answer: without them nothing can be done with the item."""

LookUp = Callable[[Callable[[], Work[Page]]], Page]
"""What runs the use case of a page."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an identifier asks for: the matches of `keys`, with the attributes `returned`."""

    keys: tuple[tuple[Path, str], ...]
    returned: tuple[int, ...]
    unsupported: bool


def workitem_query_service(
    caller: Caller, look_up: LookUp, most: int, audit: Callable[[AuditRow], None]
) -> QueryService:
    """The search of workitems for one caller."""

    def ask(identifier: Identifier, context: Context) -> Question:
        asked = asked_for(identifier.members)
        fuzzy = context.extended[FUZZY : FUZZY + 1] == b"\1"
        query = Query(asked.keys, fuzzy=fuzzy, limit=PAGE)
        _ = query.conditions  # a malformed value is refused before anything is asked
        return Question(_pages(caller.access, look_up, query, identifier.members, asked), asked.unsupported)

    return QueryService(caller, WORD, SEARCHED, most, ask, audit)


def asked_for(members: Members) -> Asked:
    """The keys of an identifier. Raises Unprocessable for a sequence with several items."""
    keys: list[tuple[Path, str]] = []
    returned: list[int] = []
    unsupported = False
    for tag, name in _named(members, ""):
        if _path(name) is None:
            unsupported = True
            continue
        returned.append(tag)
        for path, wanted in _leaves(name, members[tag]):
            if path is not None and wanted is not None and (not wanted or path.vr not in UNMATCHED):
                keys.append((path, wanted))
            else:
                unsupported = True
    return Asked(tuple(keys), tuple(sorted({*returned, *IDENTITY})), unsupported)


def _named(members: Members, within: str) -> Iterator[tuple[int, str]]:
    """The attributes of a data set, each with its name below `within`; empty where it is private, and nobody's."""
    creators = {f"{tag:08X}": text(member) for tag, member in members.items() if is_creator(f"{tag:08X}")}
    for tag in members:
        if tag in NO_KEYS or f"{tag:08X}" in creators:
            continue
        try:
            yield tag, f"{within}{canonical(f'{tag:08X}', creators)}"
        except HealixError:
            yield tag, ""


def _leaves(name: str, member: Member) -> Iterator[tuple[Path | None, str | None]]:
    """The attributes of a key, each with what is asked of it: empty where it is only to be returned, None for bytes."""
    if member.vr != "SQ":
        yield _path(name), None if member.octets else text(member)
        return
    if len(member.values) > 1:
        raise HealixError(Category.UNPROCESSABLE, f"the sequence {name} has more than one item")
    for item in member.values:
        for tag, inner in _named(item, f"{name}."):
            yield from _leaves(inner, item[tag])


def _path(name: str) -> Path | None:
    try:
        return path_of(name)
    except HealixError:
        return None


def _pages(access: AccessContext, look_up: LookUp, query: Query, wanted: Members, asked: Asked) -> Iterator[Found]:
    """The identifiers of the responses."""
    place: Place | None = None
    while True:
        found = look_up(partial(page, access, query, place))
        yield Found((_answer(known(one), wanted, asked) for one in found.objects), found.last is not None)
        if found.last is None:
            return
        place = found.last


def _answer(found: Members, wanted: Members, asked: Asked) -> Members:
    """What was asked for, empty where there is no value; what is private in the block of the request."""
    answer: Members = {}
    for tag in asked.returned:
        empty = wanted[tag].vr if tag in wanted else IDENTITY[tag]
        member = found.get(tag)
        if is_private(tag):
            answer[_reserving(tag)] = wanted[_reserving(tag)]
            member = _same(found, tag, text(wanted[_reserving(tag)]))
        answer[tag] = Member(empty) if member is None else narrowed(member, wanted.get(tag))
    return answer


def _same(found: Members, tag: int, creator: str) -> Member | None:
    """The private attribute of that creator, whatever block it has. Spec: PS3.5 7.8.1 (2024d)"""
    for one in found:
        if one & 0xFFFF00FF == tag & 0xFFFF00FF and one & 0xF000:
            maker = found.get(_reserving(one))
            if maker is not None and text(maker).strip() == creator.strip():
                return found[one]
    return None


def _reserving(tag: int) -> int:
    """The tag of the element that reserves the block of a private attribute."""
    return tag & 0xFFFF0000 | tag >> 8 & 0xFF
