"""Keeps the Tasks of reading up to date: an outbox consumer of the topic `resource`.

It looks at the present state of the orders concerned, under a lock, so that events may come twice, late and in any
order; the number of statements does not depend on that of the events. Resources that are about no order of images cost
one statement a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dicomweb.procedure.scheduled.states import Performed
from healix_fhir.imaging.reading.case import Case, ordered, reading
from healix_fhir.imaging.scheduling.kinds import is_imaging
from healix_fhir.interaction.accept import change
from healix_fhir.kernel import clock
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.hashing import key64
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME, search_parameters
from healix_fhir.model.json import decode
from healix_fhir.model.references import local
from healix_fhir.operation.imaging_report.task import TASK, task_id, tasks_of
from healix_fhir.store.body import unpack
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from smart_auth.access import internal

Json = dict[str, Any]
ORDER, STUDY, REPORT = "ServiceRequest", "ImagingStudy", "DiagnosticReport"
LINKS: Mapping[str, str] = {STUDY: "basedon", REPORT: "based-on"}
"""What names an order, and the search parameter by which it does."""
LOCK = key64("imaging reading")
MOST = 500
"""Orders that are looked at together."""


def consumer(bases: tuple[str, ...]) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer for a server whose FHIR base URLs are `bases`."""
    return lambda events: _handle(bases, events)


def _handle(bases: tuple[str, ...], events: Sequence[Event]) -> Work[None]:
    changed = {(event.payload["type"], event.payload["id"]) for event in events}
    concerned = sorted(one for one in changed if one[0] == ORDER or one[0] in LINKS)
    if not concerned:
        return
    rows = yield _orders(concerned)
    reports = [id_ for kind, id_ in concerned if kind == REPORT]
    gone = (yield from _of_deleted(bases, reports)) if reports else set()
    orders = sorted({id_ for (id_,) in rows} | gone)
    if orders:
        yield Statement("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
    for start in range(0, len(orders), MOST):
        yield from _look(bases, orders[start : start + MOST])


def _orders(changed: Sequence[tuple[str, str]]) -> Statement:
    """The ids of the orders that something was made on, and that changed or are named by what did; of a report that was
    deleted, and of a study that is on another order or nowhere now, those before.
    """
    return Statement(
        """WITH s AS (SELECT * FROM unnest(%s::smallint[], %s::text[]) AS x (type, id)),
             named AS (
               SELECT f.target FROM s JOIN resource r ON r.type = s.type AND r.id = s.id COLLATE "C"
               JOIN index_reference f ON f.pk = r.pk AND f.param = ANY(%s) AND f.target_type = %s
               WHERE s.type <> %s
               UNION SELECT s.id FROM s WHERE s.type = %s)
           SELECT DISTINCT n.target FROM named n WHERE EXISTS (
             SELECT FROM index_reference f
             WHERE f.param = ANY(%s) AND f.target_type = %s AND f.target = n.target COLLATE "C")
           UNION SELECT b.target FROM s
           JOIN index_reference f ON f.param = %s AND f.target_type = s.type AND f.target = s.id COLLATE "C"
           JOIN index_reference b ON b.pk = f.pk AND b.param = %s AND b.target_type = %s
           WHERE s.type = %s""",
        (
            [TYPE_ID[kind] for kind, _ in changed],
            [id_ for _, id_ in changed],
            _links(),
            *[TYPE_ID[ORDER]] * 3,
            _links(),
            TYPE_ID[ORDER],
            search_parameters(TASK)["focus"].id,
            search_parameters(TASK)["based-on"].id,
            TYPE_ID[ORDER],
            TYPE_ID[STUDY],
        ),
        prepare=False,
    )


def _of_deleted(bases: tuple[str, ...], reports: Sequence[str]) -> Work[set[str]]:
    """The orders that reports were based on before they were deleted."""
    rows = yield Statement(
        """SELECT DISTINCT ON (h.id) h.body FROM resource r
           JOIN resource_history h ON h.type = r.type AND h.id = r.id AND NOT h.deleted
           WHERE r.type = %s AND r.id = ANY(%s) AND r.deleted ORDER BY h.id, h.version DESC""",
        (TYPE_ID[REPORT], list(reports)),
    )
    named = [one for (body,) in rows for one in local(decode(unpack(bytes(body))).get("basedOn", []), bases)]
    parts = [str(one.get("reference", "")).partition("/") for one in named]
    return {id_ for kind, _, id_ in parts if kind == ORDER}


def _links() -> list[int]:
    return [search_parameters(kind)[code].id for kind, code in LINKS.items()]


def _look(bases: tuple[str, ...], ids: Sequence[str]) -> Work[None]:
    """Bring the Tasks of these orders, and the orders, up to date."""
    found = yield from _read(bases, ids)
    moment = clock.now()
    changes = []
    for case in found:
        wanted = [one for one in (reading(case, moment), ordered(case)) if one is not None]
        changes += [change(Method.PUT, one, one["resourceType"], one["id"], bases) for one in wanted]
    if changes:
        yield from commit(internal("imaging"), changes)


def _read(bases: tuple[str, ...], ids: Sequence[str]) -> Work[list[Case]]:
    """The orders of images among these, with what was made on them. Four statements."""
    tasks = {str(one["id"]): one for one in (yield from tasks_of(ids))}
    rows = yield Statement(
        "SELECT r.id, r.body FROM resource r WHERE r.type = %s AND r.id = ANY(%s) AND NOT r.deleted"
        " ORDER BY r.id FOR UPDATE OF r",
        (TYPE_ID[ORDER], list(ids)),
    )
    orders = {id_: body for id_, raw in rows if is_imaging(body := decode(bytes(raw)))}
    for one in orders.values():
        one["subject"] = local(one["subject"], bases)
    made: dict[tuple[str, str], list[Json]] = {}
    for target, kind, body in (yield _made_on(list(orders))):
        made.setdefault((target, TYPE_NAME[kind]), []).append(local(decode(bytes(body)), bases))
    steps = yield Statement(
        "SELECT s.request, s.performed FROM scheduled_step s WHERE s.request = ANY(%s)", (list(orders),)
    )
    performed = {request: Performed(state) for request, state in steps}
    return [
        Case(
            order,
            made.get((id_, STUDY), ()),
            made.get((id_, REPORT), ()),
            tasks.get(task_id(id_)),
            performed.get(id_, Performed.NOTHING),
        )
        for id_, order in orders.items()
    ]


def _made_on(orders: Sequence[str]) -> Statement:
    return Statement(
        """SELECT f.target, r.type, r.body FROM (
             SELECT DISTINCT target, pk FROM index_reference
             WHERE param = ANY(%s) AND target_type = %s AND target = ANY(%s)) f
           JOIN resource r ON r.pk = f.pk AND NOT r.deleted ORDER BY f.target, r.type, r.pk""",
        (_links(), TYPE_ID[ORDER], list(orders)),
        prepare=False,
    )
