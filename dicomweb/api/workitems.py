"""UPS-RS: create, retrieve, update, change the state of, cancel and search workitems.

Spec: PS3.18 11.4 to 11.9 (2024d); an empty result is 200 with `[]` (2026a, as CP-2473 has it for studies)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.accept import DICOM_XML, document_type, model_type
from dicomweb.api.edge import Edge, Handler, refusal
from dicomweb.api.model_body import data_set
from dicomweb.api.related import PRIVATE, objects, one_document
from dicomweb.api.unsupported import further, supported
from dicomweb.workitem.cancel import request_cancellation
from dicomweb.workitem.change_state import change_state
from dicomweb.workitem.create import create
from dicomweb.workitem.matching import is_searchable
from dicomweb.workitem.retrieve import retrieve
from dicomweb.workitem.search import COUNTED, STEERING, parse, search
from dicomweb.workitem.status import WARNINGS, RefusedError, Success
from dicomweb.workitem.update import update
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import Category, HealixError, invalid
from smart_auth.access import AccessContext

WORKITEM = ("workitem", "AffectedSOPInstanceUID")
TRANSACTION = ("transaction-uid", "transaction")
"""How query parameters name what PS3.18 writes as a bare UID, `?1.2.3`."""


def warned(base: str, text: str) -> dict[str, str]:
    """The Warning header with a text of the standard, which names the service by its address.

    Spec: PS3.18 11.4.3.2 (2024d)
    """
    return {"Warning": f"299 {base}: {text}"} if text else {}


def telling(usual: str = "") -> Callable[[Handler], Handler]:
    """Handlers whose refusals of what a workitem's state does not allow come with their Warning header; `usual` is the
    text for a request that has none of its own, and cannot be understood.
    """

    def told(handler: Handler) -> Handler:
        @wraps(handler)
        async def answering(edge: Edge, request: Request, access: AccessContext) -> Response:
            try:
                return await handler(edge, request, access)
            except HealixError as error:
                text = error.warning if isinstance(error, RefusedError) else ""
                if error.category not in (Category.INVALID, Category.CONFLICT) or not (text or usual):
                    raise
                answer = refusal(error, {}, "")
                answer.headers.update(warned(edge.base, text or usual))
                return answer

        return answering

    return told


@telling()
async def add(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`POST /workitems` and `POST /workitems?{uid}`."""
    uid = _named(request, WORKITEM)
    given = await data_set(request)
    made = await atransaction(edge.pool, lambda: create(access, uid, given, edge.find_patient))
    address = f"{edge.base}/workitems/{made.uid}"
    return _done(edge, 201, made.status, {"Location": address, "Content-Location": address})


async def one(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET /workitems/{uid}`."""
    _named(request, ())
    form = document_type(request)
    uid = request.path_params["workitem"]
    found = msgspec.json.encode(await atransaction(edge.pool, lambda: retrieve(access, uid)))
    address = f"{edge.base}/workitems/{uid}"
    content, kind = one_document(found, form, address)
    headers = PRIVATE | {"Content-Location": address}
    return Response(content if form.name == DICOM_XML else b"[" + content + b"]", 200, headers, kind)


@telling("The submitted request is inconsistent with the current state of the Workitem.")
async def change(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`POST /workitems/{uid}` and `POST /workitems/{uid}?{transaction-uid}`."""
    transaction_uid = _named(request, TRANSACTION)
    given = await data_set(request)
    uid = request.path_params["workitem"]
    await atransaction(edge.pool, lambda: update(access, uid, transaction_uid, given))
    return _done(edge, 200, Success.DONE, {"Content-Location": f"{edge.base}/workitems/{uid}"})


@telling("The submitted request is inconsistent with the state of the UPS Instance.")
async def state(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`PUT /workitems/{uid}/state`."""
    _named(request, ())
    given = await data_set(request)
    uid = request.path_params["workitem"]
    status = await atransaction(edge.pool, lambda: change_state(access, uid, given))
    return _done(edge, 200, status, {"Content-Location": f"{edge.base}/workitems/{uid}"})


@telling()
async def cancel(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`POST /workitems/{uid}/cancelrequest`."""
    _named(request, ())
    given = await data_set(request, optional=True)
    uid = request.path_params["workitem"]
    status = await atransaction(edge.pool, lambda: request_cancellation(access, uid, given))
    return _done(edge, 202, status, {})


async def find(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET /workitems`."""
    kind = model_type(request)
    asked = parse(supported(request, lambda name: name in STEERING or is_searchable(name), spelled=STEERING))
    found = await atransaction(edge.pool, lambda: search(access, asked))
    warning = {"Warning": further(edge.base, found.remaining, COUNTED)} if found.remaining else {}
    return await objects(request, found.objects, kind, PRIVATE | warning)


def _done(edge: Edge, status: int, outcome: Success, headers: Mapping[str, str]) -> Response:
    return Response(None, status, {**PRIVATE, **headers, **warned(edge.base, WARNINGS.get(outcome, ""))})


def _named(request: Request, names: Sequence[str]) -> str | None:
    """The UID in the query, bare or by one of `names`; None without one. Raises Invalid for more than one."""
    given = supported(request, lambda name: name in names or (bool(names) and name[:1].isdecimal()))
    uids = [value if name in names else name for name, value in given]
    if len(uids) > 1:
        raise invalid("the address names more than one UID", code="value")
    return uids[0] if uids else None
