"""Which refusals are denials: what a caller's token does not open, told or answered as if it were not there.

Spec: IHE BALP 1.1.3; PS3.18 8.5 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from starlette.requests import Request

from dicomweb.commitment.asked import WORD as COMMITMENT
from dicomweb.non_patient.search import WORD as NON_PATIENT
from dicomweb.study.concerned import concerned
from dicomweb.workitem.concerned import whose_item
from dicomweb.workitem.rows import TYPE
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext
from smart_auth.denial import NOBODY, Denial
from smart_auth.scope import Permission

STOW = "STOW-RS"
DELETE = "delete-instances"
WORDS: Mapping[str, str] = {
    **dict.fromkeys(("wado.instances", "wado.uri"), "retrieve"),
    "wado.metadata": "retrieve-metadata",
    "wado.frames": "retrieve-frames",
    "wado.bulkdata": "retrieve-bulkdata",
    "wado.rendered": "retrieve-rendered",
    "wado.thumbnail": "retrieve-thumbnail",
    "wado.non-patient": "retrieve",
    "wado.non-patient.bulkdata": "retrieve-bulkdata",
}
"""By name of the address, what it does: the word of the audit trail for what it gives, too."""
ITEM_WORDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "ups.workitems": {"POST": ("workitem-create", "C"), "GET": ("query-workitem", "E")},
    "ups.workitem": {"POST": ("workitem-update", "U"), "GET": ("workitem-retrieve", "R")},
    "ups.state": {"PUT": ("workitem-state", "U")},
    "ups.cancelrequest": {"POST": ("workitem-cancel", "U")},
    "ups.subscribers": {"POST": ("workitem-subscribe", "C"), "DELETE": ("workitem-unsubscribe", "D")},
    "ups.suspend": {"POST": ("workitem-suspend", "D")},
    "ups.channel": {"GET": ("workitem-channel", "E")},
}
"""The same for workitems, by method too, with the action."""
LONGEST = 64
QUERIES = ("qido", "dicomweb.studies")
LEVELS = {"studies": "study", "series": "series", "instances": "instance"}


def denials(access: AccessContext, error: HealixError, name: str, request: Request) -> Iterator[Denial]:
    """What the audit trail says of a refusal at the address `name`.

    Who sees all studies, or workitems, was denied nothing when one of them is missing.
    """
    item = name in ITEM_WORDS
    named = request.path_params.get("workitem" if item else "study") or request.query_params.get("studyUID")
    type_name = TYPE if item else "ImagingStudy"
    permission = Permission.DELETE if request.method == "DELETE" else Permission.READ
    hidden = named is not None and (item or name in WORDS) and not access.sees_all(type_name, permission)
    if error.category is Category.FORBIDDEN or (error.category is Category.NOT_FOUND and hidden):
        method = "GET" if request.method == "HEAD" else request.method
        last = request.url.path.removesuffix("/count").rpartition("/")[2]
        word, action = ITEM_WORDS[name][method] if item else _word(name, method, last)
        shown = named.replace("\0", "")[:LONGEST] if named is not None else None
        whose = NOBODY if shown is None else whose_item(shown) if item else concerned(shown)
        yield Denial(action, word, shown, whose)


def _word(name: str, method: str, last: str) -> tuple[str, str]:
    if name == "commitment":
        return COMMITMENT, "E"
    if method == "POST":
        return STOW, "C"
    if method == "DELETE":
        return DELETE, "D"
    if name in WORDS:
        return WORDS[name], "R"
    if name == "non-patient":
        return NON_PATIENT, "E"
    return f"query-{LEVELS[last]}" if name in QUERIES and last in LEVELS else name, "E"
