"""What is of no patient over DIMSE: C-FIND by the search that DICOMweb makes too, and what an identifier of C-MOVE or
C-GET names.

Spec: PS3.4 U.4, X.4, BB.4, HH.4, II.4 and K.4.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from dicomweb.dicomjson.model import Member, Members
from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context
from dicomweb.dimse.identifier import Identifier, known, text
from dicomweb.dimse.query import Found, QueryService, Question, narrowed
from dicomweb.dimse.workitem_find import FUZZY, IDENTITY, asked_for
from dicomweb.index.naming import is_private
from dicomweb.non_patient.models import MODELS, Model
from dicomweb.non_patient.search import WORD, Matches, Query, page, query
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext

FIND: Mapping[str, Model] = {model.find: model for model in MODELS}
MOVE: Mapping[str, Model] = {model.move: model for model in MODELS}
GET: Mapping[str, Model] = {model.get: model for model in MODELS}
"""The model behind each SOP class."""
SOP_INSTANCE = 0x00080018
PAGE = 100
"""Matches that are read at once."""

LookUp = Callable[[Callable[[], Work[Matches]]], Matches]
"""What runs the use case of a page."""


def named(identifier: Identifier) -> list[str]:
    """The SOP Instance UIDs that a C-MOVE or C-GET names. Raises Unprocessable where there is none."""
    member = identifier.members.get(SOP_INSTANCE)
    found = [part for part in text(member).split("\\") if part] if member is not None and member.vr != "SQ" else []
    if not found:
        raise HealixError(Category.UNPROCESSABLE, "SOPInstanceUID has no value")
    return found


def non_patient_query_service(
    caller: Caller, look_up: LookUp, most: int, audit: Callable[[AuditRow], None]
) -> QueryService:
    """The search of what is of no patient, for one caller."""

    def ask(identifier: Identifier, context: Context) -> Question:
        model = FIND[context.abstract_syntax]
        asked = asked_for(identifier.members)
        keys = [(path, value) for path, value in asked.keys if path.tags[0] in model.attributes]
        others = any(value.strip() for path, value in asked.keys if path.tags[0] not in model.attributes)
        returned = [tag for tag in asked.returned if not is_private(tag)]
        unsupported = asked.unsupported or others or len(returned) < len(asked.returned)
        fuzzy = context.extended[FUZZY : FUZZY + 1] == b"\1"
        searched = query([model], keys, [f"{tag:08X}" for tag in returned], fuzzy=fuzzy, limit=PAGE)
        return Question(_pages(caller.access, look_up, searched, identifier.members, returned), unsupported)

    return QueryService(caller, WORD, FIND, most, ask, audit)


def _pages(
    access: AccessContext, look_up: LookUp, searched: Query, wanted: Members, returned: list[int]
) -> Iterator[Found]:
    """The identifiers of the responses."""
    after: int | None = None
    while True:
        found = look_up(partial(page, access, searched, after))
        yield Found((_answer(known(one), wanted, returned) for one in found.objects), found.last is not None)
        if found.last is None:
            return
        after = found.last


def _answer(found: Members, wanted: Members, returned: list[int]) -> Members:
    """What was asked for, empty where there is no value, or a large one."""
    answer: Members = {}
    for tag in returned:
        member = found.get(tag)
        if member is None or member.uri is not None:
            answer[tag] = Member(wanted[tag].vr if tag in wanted else IDENTITY[tag])
        else:
            answer[tag] = narrowed(member, wanted.get(tag))
    return answer
