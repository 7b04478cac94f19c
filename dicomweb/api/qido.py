"""QIDO-RS: search for studies, series and instances.

Spec: PS3.18 10.6 (2024d); an empty result is 200 with `[]` since CP-2473
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.accept import model_type
from dicomweb.api.edge import Edge, Handler
from dicomweb.api.related import PRIVATE, objects
from dicomweb.study.query import Level, parse, query
from healix_fhir.kernel.database import atransaction
from smart_auth.access import AccessContext

NOT_ATTRIBUTES = ("accept", "charset")
MORE = '299 Healix "There are more matches; ask for the next ones with offset"'
KEYWORDS = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID"}


def search(level: Level) -> Handler:
    """The handler of a search at `level`; UIDs in the path narrow it."""

    async def handler(edge: Edge, request: Request, access: AccessContext) -> Response:
        kind = model_type(request)
        params = [(name, value) for name, value in request.query_params.multi_items() if name not in NOT_ATTRIBUTES]
        within = [(KEYWORDS[name], uid) for name, uid in request.path_params.items()]
        asked = parse(level, params, within=within)
        found = await atransaction(edge.pool, lambda: query(access, asked, base=edge.base))
        headers = PRIVATE | ({"Warning": MORE} if found.more else {})
        return await objects(request, found.objects, kind, headers)

    return handler
