"""Storage commitment: is what was sent safe, so that the sender may forget it?

Spec: PS3.18 13 and J (2024d)
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.accept import Offer, document_type
from dicomweb.api.edge import Edge
from dicomweb.api.model_body import Body, body
from dicomweb.api.related import PRIVATE, one_document
from dicomweb.api.unsupported import supported
from dicomweb.archive.aside import aside
from dicomweb.commitment.asked import Commitment
from dicomweb.commitment.at_once import again, asking, keep, known
from dicomweb.commitment.judge import Judged, judge, look
from dicomweb.commitment.references import LONGEST, MOST, Reference, named
from dicomweb.uid import check_uid
from healix_fhir.kernel.database import atransaction
from smart_auth.access import AccessContext

MOST_ELEMENTS = 3 * MOST + 100
"""Elements of a request: an item, its class and its instance, and a few at the root."""


async def ask(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`POST /commitment-requests/{transaction}`."""
    uid, form = _asked(request)
    asking(access, uid, ())
    asked = asking(access, uid, await aside(_references, await body(request, LONGEST)))
    judged = await _judged(edge, access, asked)
    await atransaction(edge.pool, lambda: keep(access, asked, judged), aside=True)
    return await aside(_answer, judged, form, f"{edge.base}/commitment-requests/{uid}")


async def check(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET /commitment-requests/{transaction}`."""
    uid, form = _asked(request)
    asked = await atransaction(edge.pool, lambda: known(access, uid), aside=True)
    judged = await _judged(edge, access, asked)
    await atransaction(edge.pool, lambda: again(access, asked, judged), aside=True)
    return await aside(_answer, judged, form, f"{edge.base}/commitment-requests/{uid}")


def _asked(request: Request) -> tuple[str, Offer]:
    """The Transaction UID, and the form of the answer. Raises Invalid, NotAcceptable."""
    supported(request, ())
    return check_uid(request.path_params["transaction"], "the Transaction UID"), document_type(request)


def _references(sent: Body) -> tuple[Reference, ...]:
    return named(sent.data_set(MOST_ELEMENTS))


async def _judged(edge: Edge, access: AccessContext, asked: Commitment) -> Judged:
    found, patients = await atransaction(edge.pool, lambda: look(access, asked), aside=True)
    return await aside(judge, edge.archive, asked, found, patients)


def _answer(judged: Judged, form: Offer, address: str) -> Response:
    """The Storage Commitment Response Module. Spec: PS3.18 Table J.2-1 (2024d)"""
    content: dict[str, Any] = {}
    if judged.failed:
        failed = [_named(one) | {"00081197": {"vr": "US", "Value": [int(why)]}} for one, why in judged.failed]
        content["00081198"] = {"vr": "SQ", "Value": failed}
    if judged.committed:
        content["00081199"] = {"vr": "SQ", "Value": [_named(one) for one in judged.committed]}
    body, kind = one_document(msgspec.json.encode(content), form, address)
    return Response(body, 200, PRIVATE | {"Content-Location": address}, kind)


def _named(one: Reference) -> dict[str, Any]:
    found = {"00081150": one.sop_class, "00081155": one.sop_instance}
    return {tag: {"vr": "UI", "Value": [uid]} for tag, uid in found.items()}
