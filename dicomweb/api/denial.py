"""Which refusals are denials: what a caller's token does not open, told or answered as if it were not there.

Spec: IHE BALP 1.1.3; PS3.18 8.5 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from starlette.requests import Request

from dicomweb.study.concerned import concerned
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext
from smart_auth.denial import NOBODY, Denial
from smart_auth.scope import Permission

STOW = "STOW-RS"
WORDS: Mapping[str, str] = {
    **dict.fromkeys(("wado.instances", "wado.uri"), "retrieve"),
    "wado.metadata": "retrieve-metadata",
    "wado.frames": "retrieve-frames",
    "wado.bulkdata": "retrieve-bulkdata",
    "wado.rendered": "retrieve-rendered",
    "wado.thumbnail": "retrieve-thumbnail",
}
"""By name of the address, what it does: the word of the audit trail for what it gives, too."""
LONGEST = 64
QUERIES = ("qido", "dicomweb.studies")
LEVELS = {"studies": "study", "series": "series", "instances": "instance"}


def denials(
    access: AccessContext, error: HealixError, name: str, request: Request, study: str | None
) -> Iterator[Denial]:
    """What the audit trail says of a refusal at the address `name`; `study` is the UID that the request names.

    Who sees all studies was denied nothing when one of them is missing.
    """
    hidden = study is not None and name in WORDS and not access.sees_all("ImagingStudy", Permission.READ)
    if error.category is Category.FORBIDDEN or (error.category is Category.NOT_FOUND and hidden):
        word, action = _word(name, request.method, request.url.path.rpartition("/")[2])
        shown = study.replace("\0", "")[:LONGEST] if study is not None else None
        yield Denial(action, word, shown, concerned(shown) if shown is not None else NOBODY)


def _word(name: str, method: str, last: str) -> tuple[str, str]:
    if method == "POST":
        return STOW, "C"
    if name in WORDS:
        return WORDS[name], "R"
    return f"query-{LEVELS[last]}" if name in QUERIES and last in LEVELS else name, "E"
