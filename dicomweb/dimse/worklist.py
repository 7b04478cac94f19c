"""C-FIND of the modality worklist: one response for each scheduled step that matches.

Spec: PS3.4 K.4.1 and K.6.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from dicomweb.dicomjson.reading import as_json
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context
from dicomweb.dimse.contexts import MODALITY_WORKLIST
from dicomweb.dimse.identifier import Identifier, known
from dicomweb.dimse.query import Found, QueryService, Question
from dicomweb.procedure.scheduled.search import START, Page, Place, Query, query, search
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Work
from smart_auth.access import AccessContext

WORD = "query-worklist"
FUZZY = 2
"""The byte of the application information that asks for fuzzy names. Spec: PS3.4 Table K.5.1-1 (2024d)"""
LARGEST = 10_000
"""Matches of one request: no list that anyone works through is longer."""

LookUp = Callable[[Callable[[], Work[Page]]], Page]
"""What runs the use case of a page."""


def worklist_service(caller: Caller, look_up: LookUp, audit: Callable[[AuditRow], None]) -> QueryService:
    """The worklist for one caller."""

    def ask(identifier: Identifier, context: Context) -> Question:
        fuzzy = context.extended[FUZZY : FUZZY + 1] == b"\1"
        asked = query(as_json(identifier.members), caller.aet, fuzzy=fuzzy)
        return Question(_pages(caller.access, look_up, asked), not asked.all_supported)

    return QueryService(caller, WORD, (MODALITY_WORKLIST,), LARGEST, ask, audit)


def _pages(access: AccessContext, look_up: LookUp, asked: Query) -> Iterator[Found]:
    """The identifiers of the responses."""
    after: Place | None = START
    while after is not None:
        page = look_up(partial(search, access, asked, after))
        after = page.after
        yield Found((known(msgspec.json.encode(one)) for one in page.answers), after is not None)
