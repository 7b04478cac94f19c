"""QIDO-RS: search for studies, series and instances, and how many there are.

Spec: PS3.18 10.6 (2024d); an empty result is 200 with `[]` since CP-2473, where 204 was before
"""

from __future__ import annotations

from secrets import token_hex

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.accept import ATTRIBUTES, Offer, acceptable, check_charset, none_of, wanted
from dicomweb.api.coding import WORTHWHILE, Document, coded, sent, taken_by
from dicomweb.api.edge import Edge, Handler
from dicomweb.api.related import PRIVATE, joined
from dicomweb.api.remembered import Kept, Listed, Search
from dicomweb.api.table import CSV, table
from dicomweb.api.unsupported import INCLUDEFIELD, further, is_ignored, supported
from dicomweb.index.naming import is_name
from dicomweb.study.parameters import STEERING, parse
from dicomweb.study.query import COUNTED, Level, Matches, Query, count, query, reads_metadata
from smart_auth.access import AccessContext

FORMS = (*ATTRIBUTES, Offer(CSV))
SPELLED = (*STEERING, INCLUDEFIELD)
KEYWORDS = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID"}


def search(level: Level) -> Handler:
    """The handler of a search at `level`; UIDs in the path narrow it."""

    async def handler(edge: Edge, request: Request, access: AccessContext) -> Response:
        headers = request.headers
        form = Search(level, *_named(request), headers.get("accept", ""), headers.get("accept-charset", ""))
        kind, asked = edge.searches.get(form) or _remembered(edge, form, request)
        listed = Listed(form, taken_by(request), access.origin.client, access.origin.account)
        kept = edge.lists.get(listed)
        known = None if kept is None else kept.state
        found = await edge.looked_up(
            lambda: query(access, asked, base=edge.base, known=known), aside=reads_metadata(asked)
        )
        document = kept.document if kept is not None and found.known else await _made(edge, listed, kind, found)
        return _warned(sent(request, document, PRIVATE), edge, asked, found.remaining)

    return handler


async def _made(edge: Edge, listed: Listed, kind: str, found: Matches) -> Document:
    """The list as it is sent; where it is worth it, it is remembered until its rows are others."""
    if kind == CSV:
        body, content_type = table(found.objects), f"{CSV}; charset=utf-8; header=present"
    else:
        body, content_type = await joined(found.objects, kind, token_hex(16))
    document = await coded(body, content_type, listed.coding)
    if found.state is not None and len(body) >= WORTHWHILE:
        edge.lists.put(listed, Kept(found.state, document), listed.weight(document))
    return document


def counting(level: Level) -> Handler:
    """The handler that tells how many matches a search at `level` has."""

    async def handler(edge: Edge, request: Request, access: AccessContext) -> Response:
        asked = _asked(level, edge, request)
        total = await edge.looked_up(lambda: count(access, asked))
        answer = Response(msgspec.json.encode({"count": total}), 200, PRIVATE, "application/json")
        return _warned(answer, edge, asked, 0)

    return handler


def _named(request: Request) -> tuple[bytes, tuple[str, ...]]:
    """What the address says: the parameters and the UIDs."""
    return request.scope["query_string"], tuple(request.path_params.values())


def _remembered(edge: Edge, form: Search, request: Request) -> tuple[str, Query]:
    """What a request asks for, read once: viewers ask for the same list again and again."""
    read = _kind(request), _asked(form.level, edge, request)
    if not is_ignored(request):  # which is told each time
        edge.searches.put(form, read, form.weight)
    return read


def _kind(request: Request) -> str:
    """The form that the caller takes. Raises NotAcceptable."""
    check_charset(request)
    for offer, _ in acceptable(wanted(request), FORMS):
        return offer.name
    raise none_of(FORMS)


def _asked(level: Level, edge: Edge, request: Request) -> Query:
    params = supported(request, _is_known, spelled=SPELLED)
    within = [(KEYWORDS[name], uid) for name, uid in request.path_params.items()]
    return parse(level, params, within=within, catalogue=edge.receiver.catalogue)


def _is_known(name: str) -> bool:
    return name in SPELLED or is_name(name)


def _warned(answer: Response, edge: Edge, asked: Query, remaining: int) -> Response:
    """The answer with what a caller must know of it. Spec: PS3.18 8.3 and 8.3.4.4.1 (2024d)"""
    if remaining:
        answer.headers.append("Warning", further(edge.base, remaining, COUNTED))
    if asked.unmatched:
        text = f"These attributes are not indexed and were not matched: {', '.join(asked.unmatched)}"
        answer.headers.append("Warning", f"299 {edge.base}: {text}")
    return answer
