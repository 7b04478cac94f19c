"""Keeps the modality worklist up to date with the orders: ServiceRequests, and what they are scheduled by.

An outbox consumer of the topic `resource`. It looks at the present state of the orders concerned, under a lock, so that
events may come twice, late and in any order; the number of statements does not depend on that of the events.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from dicomweb.procedure.scheduled.rows import Ordered, made_from, put, withdraw
from healix_fhir.imaging.bridge import LOCK
from healix_fhir.imaging.scheduling.item import Order, item, state
from healix_fhir.imaging.scheduling.kinds import is_imaging
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME, search_parameters
from healix_fhir.model.imaging_report import is_reading
from healix_fhir.model.json import decode
from healix_fhir.model.references import local

Json = dict[str, Any]

ORDER = "ServiceRequest"
PLANS = {"Task": ("based-on", "focus"), "Appointment": ("based-on",)}
"""Types that plan orders, and the search parameters by which they name them."""
NAMED = frozenset(
    {"Patient", "Practitioner", "PractitionerRole", "Organization", "Device", "Location", "HealthcareService",
     "Encounter"}
)  # fmt: skip
"""Types of which a worklist item tells something."""
HEARD = NAMED | PLANS.keys() | {ORDER}
AT_ONCE = 500
"""Orders that are looked at together: many may name one Patient or Device."""


def consumer(bases: tuple[str, ...] = (), zone: tzinfo | None = None) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer for a server whose FHIR base URLs are `bases`; times are told on the clocks of `zone`."""
    return lambda events: _handle(bases, zone, events)


def _handle(bases: tuple[str, ...], zone: tzinfo | None, events: Sequence[Event]) -> Work[None]:
    changed = {(event.payload["type"], event.payload["id"]) for event in events if event.payload["type"] in HEARD}
    if not changed:
        return
    yield Statement("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
    asked = {id_ for kind, id_ in changed if kind == ORDER}
    sources = sorted(f"{kind}/{id_}" for kind, id_ in changed if kind != ORDER)
    if sources:
        asked |= {id_ for (id_,) in (yield made_from(sources))}
    plans = [(kind, id_) for kind, id_ in changed if kind in PLANS]
    if plans:
        asked |= {id_ for (id_,) in (yield _planned(plans))}
    orders = sorted(asked)
    for start in range(0, len(orders), AT_ONCE):
        yield from _look(bases, zone, orders[start : start + AT_ONCE])


@dataclass
class Found:
    """The present state of orders and of what is around them; `keys` are the resources of the orders."""

    orders: dict[str, Json]
    keys: dict[str, int]
    tasks: dict[str, list[Json]] = field(default_factory=dict)
    appointments: dict[str, list[Json]] = field(default_factory=dict)
    known: dict[str, Json] = field(default_factory=dict)

    def order(self, id_: str) -> Order:
        """One order with its surroundings."""
        body = self.orders[id_]
        contained = {f"#{one['id']}": one for one in body.get("contained", ())}
        known = ChainMap(contained, self.known) if contained else self.known
        return Order(body, self.tasks.get(id_, ()), self.appointments.get(id_, ()), known)


def _look(bases: tuple[str, ...], zone: tzinfo | None, ids: Sequence[str]) -> Work[None]:
    found = yield from read(bases, ids)
    gone = [id_ for id_ in ids if id_ not in found.orders]
    if gone:
        yield withdraw(gone)
    steps = [_ordered(found, id_, zone) for id_ in found.orders]
    yield from put(steps)


def _ordered(found: Found, id_: str, zone: tzinfo | None) -> Ordered:
    order = found.order(id_)
    subject = order.body.get("subject", {}).get("reference", "")
    kind, _, patient = subject.partition("/")
    used = set(_references(order.body)) | {
        reference for one in (*order.tasks, *order.appointments) for reference in _references(one)
    }
    used |= {f"{one['resourceType']}/{one['id']}" for one in (*order.tasks, *order.appointments)}
    used |= {further for one in list(used) for further in _references(found.known.get(one, {}))}
    sources = tuple(sorted(one for one in used if one.partition("/")[0] in HEARD))
    owner = patient if kind == "Patient" and is_logical_id(patient) else None
    return Ordered(id_, found.keys[id_], owner, state(order), item(order, zone), sources)


def read(bases: tuple[str, ...], ids: Sequence[str]) -> Work[Found]:
    """The orders of images among these ServiceRequests, with what they refer to and what refers to them.

    Four statements at most.
    """
    rows = yield Statement(
        "SELECT r.id, r.pk, r.body FROM resource r WHERE r.type = %s AND r.id = ANY(%s) AND NOT r.deleted",
        (TYPE_ID[ORDER], list(ids)),
    )
    bodies = {id_: (pk, local(decode(bytes(body)), bases)) for id_, pk, body in rows}
    imaging = {id_: one for id_, one in bodies.items() if is_imaging(one[1])}
    found = Found({id_: body for id_, (_, body) in imaging.items()}, {id_: pk for id_, (pk, _) in imaging.items()})
    if not imaging:
        return found
    for target, kind, body in (yield _plans_of(list(imaging))):
        plans = found.tasks if TYPE_NAME[kind] == "Task" else found.appointments
        plan = local(decode(bytes(body)), bases)
        if not is_reading(plan):  # which plans what comes after the images
            plans.setdefault(target, []).append(plan)
    named = [*found.orders.values(), *(one for each in found.tasks.values() for one in each)]
    named += [one for each in found.appointments.values() for one in each]
    for _ in range(2):  # a role names its practitioner
        wanted = sorted({one for resource in named for one in _references(resource)} - found.known.keys())
        if not wanted:
            break
        further = yield _resources(wanted)
        named = [local(decode(bytes(body)), bases) for (body,) in further]
        found.known |= {f"{one['resourceType']}/{one['id']}": one for one in named}
    return found


def _planned(plans: Sequence[tuple[str, str]]) -> Statement:
    """The ids of the orders that Tasks and Appointments plan."""
    return Statement(
        """SELECT DISTINCT f.target FROM unnest(%s::smallint[], %s::text[]) AS s (type, id)
           JOIN resource r ON r.type = s.type AND r.id = s.id AND NOT r.deleted
           JOIN index_reference f ON f.pk = r.pk AND f.param = ANY(%s) AND f.target_type = %s""",
        ([TYPE_ID[kind] for kind, _ in plans], [id_ for _, id_ in plans], _links(), TYPE_ID[ORDER]),
        prepare=False,
    )


def _plans_of(orders: Sequence[str]) -> Statement:
    """The Tasks and Appointments that plan orders."""
    return Statement(
        """SELECT f.target, r.type, r.body FROM (
             SELECT DISTINCT target, pk FROM index_reference
             WHERE param = ANY(%s) AND target_type = %s AND target = ANY(%s)) f
           JOIN resource r ON r.pk = f.pk AND NOT r.deleted ORDER BY f.target, r.type, r.id""",
        (_links(), TYPE_ID[ORDER], list(orders)),
        prepare=False,
    )


def _links() -> list[int]:
    return [search_parameters(kind)[code].id for kind, codes in PLANS.items() for code in codes]


def _resources(references: Sequence[str]) -> Statement:
    pairs = [one.partition("/") for one in references]
    return Statement(
        """SELECT r.body FROM unnest(%s::smallint[], %s::text[]) AS s (type, id)
           JOIN resource r ON r.type = s.type AND r.id = s.id AND NOT r.deleted""",
        ([TYPE_ID[kind] for kind, _, _ in pairs], [id_ for *_, id_ in pairs]),
    )


def _references(resource: Mapping[str, Any]) -> Iterator[str]:
    """What a resource refers to by the elements that a worklist item is made from."""
    single = ("subject", "requester", "encounter", "owner", "location", "practitioner")
    several = ("performer", "locationReference")
    references = [resource.get(name) for name in single]
    references += [one for name in several for one in _list(resource.get(name))]
    references += [one.get("actor") for one in _list(resource.get("participant")) if isinstance(one, dict)]
    for reference in references:
        written = reference.get("reference", "") if isinstance(reference, dict) else ""
        kind, _, id_ = written.partition("/")
        if kind in NAMED and is_logical_id(id_):
            yield written


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
