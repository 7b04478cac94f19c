"""$reindex: write the search index of all resources anew, as a durable job.

`POST [base]/$reindex` starts a run, or finds the one that is under way, and answers 202 with the address of its status.
`GET` there answers 202 with its progress until it has ended, then 200; `DELETE` there ends it. For callers who may
change everything on the server.

Spec: FHIR R4, hl7.org/fhir/R4/async.html (the pattern of the answers)
"""

from __future__ import annotations

from datetime import datetime

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import audit, jobs
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Statement, Work, atransaction
from healix_fhir.kernel.errors import forbidden, invalid, not_found
from healix_fhir.model.json import encode
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.invocation import Invocation, Outcome
from healix_fhir.search.reindex import VERSION
from healix_fhir.store import custom_parameters, reindexing
from healix_fhir.store.reindexing import Run
from smart_auth.access import AccessContext
from smart_auth.scope import Context, Permission

REINDEX = own(
    "reindex",
    "Writes the search index of all resources anew, as a durable job: POST begins it, GET tells of it, DELETE ends it.",
    into("job", "positiveInt", "The run to look at or to end, where it is not begun"),
    out("state", "code", "How far it is"),
    out("done", "integer", "Resources that are done"),
    out("total", "integer", "Resources that there are"),
    out("requested", "instant", "When it was asked for"),
    out("ended", "instant", "When it ended", least=0),
    levels=("system",),
)


async def reindex(interactions: Interactions, access: AccessContext, invocation: Invocation) -> Outcome:
    """Start, look at or end a run. Raises Forbidden, Invalid, or NotFound for a run that is not there."""
    if not _may_change_everything(access):
        raise forbidden("the token does not allow $reindex: it takes the scope system/*.u")
    asked = invocation.given.number("job")
    run = await atransaction(interactions.pool, lambda: _act(access, invocation.method, asked))
    address = f"{interactions.bases[0]}/$reindex?job={run.id}"
    if invocation.method == "GET" and not run.under_way:
        return Outcome(200, encode(_parameters(run)))
    headers = [("x-progress", f"{run.state}: {run.done} of {run.total} resources")]
    if invocation.method == "POST":
        headers.append(("content-location", address))
    return Outcome(202, encode(_parameters(run)), tuple(headers))


def _act(access: AccessContext, method: str, id_: int | None) -> Work[Run]:
    if method == "POST":
        if id_ is not None:
            raise invalid("$reindex takes no parameter 'job' with POST", code="value")
        run = yield from start(access.origin.request)
        yield _recorded(access, method, run)
        return run
    if id_ is None:
        raise invalid(f"{method} $reindex takes the parameter 'job'", code="required")
    found = yield from reindexing.find(id_) if method == "GET" else reindexing.cancel(id_)
    if found is None:
        raise not_found(f"no reindexing run {id_} is {'known' if method == 'GET' else 'under way'}")
    yield _recorded(access, method, found)
    return found


ACTIONS = {"POST": "E", "GET": "R", "DELETE": "D"}


def _recorded(access: AccessContext, method: str, run: Run) -> Statement:
    return audit.record([AuditRow(access.origin, ACTIONS[method], "$reindex", entity=f"reindexing/{run.id}")])


def start(request: str | None = None) -> Work[Run]:
    """Begin a run with its job, or find the one that is under way."""
    run = yield from reindexing.begin(VERSION)
    if run.state == reindexing.WAITING and run.done == 0:
        yield jobs.enqueue(reindexing.TASK, {"run": run.id}, lock=reindexing.TASK, request=request)
    return run


def renew() -> Work[Run | None]:
    """Begin a run where resources were indexed by an older version of this program, or lack custom parameters.

    The latter only where no run is under way that is about them: one was cancelled. None where none is needed.
    """
    if (yield from reindexing.indexed_version()) < VERSION:
        return (yield from start())
    types = yield from custom_parameters.waiting()
    if not types:
        return None
    run = yield from reindexing.begin_types(types, (yield from custom_parameters.generation()))
    yield jobs.enqueue(reindexing.TASK, {"run": run.id}, lock=reindexing.TASK)
    return run


def _may_change_everything(access: AccessContext) -> bool:
    return any(
        scope.context is Context.SYSTEM and scope.type == "*" and Permission.UPDATE in scope.permissions
        for scope in access.scopes
    )


def _parameters(run: Run) -> dict[str, object]:
    parts: list[dict[str, object]] = [
        {"name": "state", "valueCode": run.state},
        {"name": "done", "valueInteger": min(run.done, 2**31 - 1)},
        {"name": "total", "valueInteger": min(run.total, 2**31 - 1)},
        {"name": "requested", "valueInstant": _instant(run.requested)},
    ]
    if run.ended is not None:
        parts.append({"name": "ended", "valueInstant": _instant(run.ended)})
    return {"resourceType": "Parameters", "parameter": parts}


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
