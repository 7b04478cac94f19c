"""`DELETE /studies/{study}[/series/{series}[/instances/{instance}]]`: 204 where it is gone from now on.

The addresses are those of retrieval (PS3.18 10.4), the statuses those of PS3.18 Table 8.5-1 (2024d).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.edge import Edge
from dicomweb.study import delete as study
from healix_fhir.kernel.database import atransaction
from smart_auth.access import AccessContext


async def delete(edge: Edge, request: Request, access: AccessContext) -> Response:
    """Delete what the address names."""
    path = request.path_params
    await atransaction(edge.pool, lambda: study.delete(access, path["study"], path.get("series"), path.get("instance")))
    return Response(None, 204, {"Cache-Control": "no-store"})
