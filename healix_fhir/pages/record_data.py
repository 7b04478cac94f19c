"""Download a record as data: each resource of it as FHIR in JSON, one a line, for another record keeper or an app.

What it holds is what `$everything` gives the same person; it is sent as it is read, however long the record is.

Spec: FHIR R4, hl7.org/fhir/R4/nd-json.html; GDPR Art. 20
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from healix_fhir.kernel import clock
from healix_fhir.kernel.errors import not_found
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.operation.everything import records
from healix_fhir.pages.render import HEADERS
from healix_fhir.pages.report import ADDRESS as REPORT
from healix_fhir.pages.site import Site
from healix_fhir.pages.whose import LOGIN, asking
from smart_auth.scope import parse

ADDRESS = f"{REPORT}/data"
SCOPE = parse("user/*.rs")
KIND = "application/fhir+ndjson"


async def show(site: Site, request: Request) -> Response:
    """GET /account/report/data of a `patient`. Raises NotFound, Forbidden for administrators, who read no charts."""
    found = await asking(site, request, SCOPE)
    if found is None:
        return RedirectResponse(LOGIN, 303)
    patient = request.query_params.get("patient", "")
    if not is_logical_id(patient):
        raise not_found("There is no such patient.")
    pages = await records(site.interactions, found[1], patient)
    name = f"health-record-{clock.now():%Y-%m-%d}.ndjson"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', **HEADERS}
    return StreamingResponse(_lines(pages), 200, headers, KIND)


async def _lines(pages: AsyncIterator[list[bytes]]) -> AsyncIterator[bytes]:
    async for page in pages:
        yield b"".join(one + b"\n" for one in page)
