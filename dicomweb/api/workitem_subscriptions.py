"""UPS-RS: subscribe to workitems, unsubscribe, suspend.

Spec: PS3.18 11.10 to 11.12 (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.edge import Edge, Handler
from dicomweb.api.related import PRIVATE
from dicomweb.api.unsupported import supported
from dicomweb.api.workitems import telling, warned
from dicomweb.workitem.matching import is_searchable
from dicomweb.workitem.reports import FILTERED, WORKLIST
from dicomweb.workitem.rows import visible
from dicomweb.workitem.status import WARNINGS, Failure, RefusedError, Success
from dicomweb.workitem.subscribe import subscribe, subscribe_globally
from dicomweb.workitem.subscribers import title
from dicomweb.workitem.unsubscribe import suspend, unsubscribe, unsubscribe_globally
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import invalid
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

STEERING = ("deletionlock", "filter")
NEXT_PAIR = re.compile(r",(?=[A-Za-z0-9.]+(?:\[[^\[\]\\]{1,64}\])?=)")
"""Before the next name of a filter, be it that of a private attribute with its creator."""


def channel_of(base: str, aet: str) -> str:
    """The address of the channel of an AE title. Spec: PS3.18 Table 11.10.3-2 (2024d)"""
    return f"ws{base.removeprefix('http')}/subscribers/{aet}"


@telling()
async def add(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`POST /workitems/{uid}/subscribers/{aetitle}`."""
    uid, aet = request.path_params["workitem"], title(request.path_params["aetitle"])
    lock, keys = _asked(request)
    if keys and uid != FILTERED:
        raise invalid(f"a filter belongs to a subscription to {FILTERED}", code="not-supported")

    def work() -> Work[Success]:
        if uid in (WORKLIST, FILTERED):
            return subscribe_globally(access, aet, lock=lock, keys=keys if uid == FILTERED else None)
        return subscribe(access, uid, aet, lock=lock)

    status = await atransaction(edge.pool, work)
    where = {"Content-Location": channel_of(edge.base, aet)}
    return Response(None, 201, {**PRIVATE, **where, **warned(edge.base, WARNINGS.get(status, ""))})


@telling()
async def remove(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`DELETE /workitems/{uid}/subscribers/{aetitle}`."""
    uid, aet = request.path_params["workitem"], title(request.path_params["aetitle"])
    if uid in (WORKLIST, FILTERED):
        await atransaction(edge.pool, lambda: unsubscribe_globally(access, aet))
    else:
        await atransaction(edge.pool, lambda: unsubscribe(access, uid, aet))
    return Response(None, 200, PRIVATE)


@telling()
async def stop(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`POST /workitems/{uid}/subscribers/{aetitle}/suspend`."""
    uid, aet = request.path_params["workitem"], title(request.path_params["aetitle"])
    visible(access, Permission.SEARCH)
    if uid not in (WORKLIST, FILTERED):
        raise RefusedError(Failure.NOT_APPROPRIATE, "subscriptions to the worklist are suspended, not those to an item")
    await atransaction(edge.pool, lambda: suspend(access, aet))
    return Response(None, 200, PRIVATE)


async def upgrade(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET /subscribers/{aetitle}` by who asks for no web socket. Spec: RFC 9110 15.5.22"""
    del edge
    visible(access, Permission.READ)
    title(request.path_params["aetitle"])
    return Response(None, 426, {**PRIVATE, "Upgrade": "websocket", "Connection": "Upgrade"})


def _asked(request: Request) -> tuple[bool, list[tuple[str, str]]]:
    """Whether a deletion lock is asked for, and the matching keys: in `filter`, or each a parameter of its own."""
    lock, keys = False, []
    given = supported(request, lambda name: name in STEERING or is_searchable(name), spelled=STEERING)
    for name, value in given:
        if name == "deletionlock":
            if value.lower() not in ("true", "false"):
                raise invalid("deletionlock must be true or false", code="value")
            lock = value.lower() == "true"
        elif name == "filter":
            for pair in NEXT_PAIR.split(value):
                key, equals, wanted = pair.partition("=")
                if not equals:
                    raise invalid("filter is a list of attribute=value, parted by commas", code="value")
                keys.append((key, wanted))
        else:
            keys.append((name, value))
    return lock, keys


ITEM: Mapping[str, Handler] = {"POST": add, "DELETE": remove}
