"""What Observations that have come show at a glance, read once for all who look at them.

An outbox consumer of the topic `resource` reads the patient, the time and the codes of each Observation of a batch, as
they stand now, and hands them to everybody who wants to know of readings. Most interest nobody, and that is told from
so little; who finds one that does reads the rest of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID

OBSERVATION = "Observation"


class Coding(msgspec.Struct, frozen=True):
    """A code of a system, which may be nowhere said."""

    system: str = ""
    code: str = ""


class _Concept(msgspec.Struct, frozen=True):
    coding: tuple[Coding, ...] = ()


class _Component(msgspec.Struct, frozen=True):
    code: _Concept = _Concept()


class _Head(msgspec.Struct, frozen=True):
    code: _Concept = _Concept()
    component: tuple[_Component, ...] = ()


class Glance(msgspec.Struct, frozen=True):
    """An Observation: the key of its patient, when it begins, and its codes; `parts` are those of its components.

    One that is deleted has no codes: what it told stands in its history. `at` is None also at the edges of the
    calendar, where not every zone has a day.
    """

    pat: int | None
    at: datetime | None
    deleted: bool
    codes: tuple[Coding, ...] = ()
    parts: tuple[Coding, ...] = ()


Onlooker = Callable[[Sequence[Glance]], Work[None]]
_head = msgspec.json.Decoder(_Head)


def consumer(*onlookers: Onlooker) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer that lets each of them look at the Observations of a batch, in turn."""

    def handle(events: Sequence[Event]) -> Work[None]:
        ids = sorted({event.payload["id"] for event in events if event.payload["type"] == OBSERVATION})
        if ids:
            found = yield from glances(ids)
            for look in onlookers:
                yield from look(found)

    return handle


def glances(ids: Sequence[str]) -> Work[list[Glance]]:
    """Those of the Observations that are there, or deleted.

    Each is looked up by itself: where a type grows faster than PostgreSQL looks at it, it would read all of it to join.
    """
    rows = yield Statement(
        """SELECT r.pat, CASE WHEN r.d > '0002-01-01' AND r.d < '9998-12-31' THEN r.d END, r.deleted, r.body
           FROM unnest(%s::text[]) AS x (id)
           CROSS JOIN LATERAL (SELECT * FROM resource WHERE type = %s AND id = x.id COLLATE "C" OFFSET 0) AS r""",
        (arrays.text(ids), TYPE_ID[OBSERVATION]),
        prepare=False,
    )
    return [
        Glance(pat, at, deleted) if deleted else _glance(pat, at, _head.decode(body)) for pat, at, deleted, body in rows
    ]


def _glance(pat: int | None, at: datetime | None, head: _Head) -> Glance:
    parts = tuple([coding for part in head.component for coding in part.code.coding]) if head.component else ()
    return Glance(pat, at, deleted=False, codes=head.code.coding, parts=parts)
