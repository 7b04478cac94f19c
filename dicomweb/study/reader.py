"""Single instances for one web process: requests that arrive together are one statement, each under its own caller's
predicate, with its audit row in it.

A request takes two steps. The first finds where the instance is, and is left out where that is remembered; from this
the caller of `one` makes the answer, and may find that there is none: no such frame. The second says that the caller
may see the instance now, that its row is still the same, and that it was shown; without it nothing is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from dicomweb.pixel.layout import Layout
from dicomweb.study.gone import missing
from dicomweb.study.held import CAPACITY, Held, Uids
from dicomweb.study.retrieve import Instance, asked
from healix_fhir.kernel.arrays import int4, int8, text
from healix_fhir.kernel.coalesce import Coalescer
from healix_fhir.kernel.database import Row, Statement, Work, aat_once, one
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.guard import Guard
from healix_fhir.kernel.memory import Memory
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

T = TypeVar("T")
LIMIT = 64
FLIGHTS = 2
ATTEMPTS = 3
"""Times that an instance may have been replaced between the two steps."""


class Ask(msgspec.Struct, frozen=True):
    """Who asks for which instance."""

    access: AccessContext
    uids: Uids


class Shown(msgspec.Struct, frozen=True):
    """To whom an instance is to be shown, and the word of the audit trail for how."""

    access: AccessContext
    uids: Uids
    held: Held
    subtype: str


_FOUND = """
SELECT x.n, i.pk, i.xmin::text, s.study_uid, e.series_uid, i.instance_uid, i.sop_class_uid, i.transfer_syntax, i.blob,
       i.size, i.layout, i.metadata
FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[])
       WITH ORDINALITY AS x (study, series, instance, guard, n)
JOIN instance i ON i.instance_uid = x.instance COLLATE "C"
JOIN series e ON e.pk = i.series_pk AND e.series_uid = x.series COLLATE "C"
JOIN study s ON s.pk = e.study_pk AND s.study_uid = x.study COLLATE "C"
WHERE {condition}"""
_SHOWN = """
WITH found AS MATERIALIZED (
     SELECT x.*, s.pat, i.pk = x.pk AND i.xmin::text = x.version AS same
     FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::bigint[], %s::text[], %s::text[], %s::text[],
                 %s::text[], %s::text[], %s::text[])
            WITH ORDINALITY AS x (study, series, instance, guard, pk, version, subtype, client, account, address,
                                  request, n)
     JOIN instance i ON i.instance_uid = x.instance COLLATE "C"
     JOIN series e ON e.pk = i.series_pk AND e.series_uid = x.series COLLATE "C"
     JOIN study s ON s.pk = e.study_pk AND s.study_uid = x.study COLLATE "C"
     WHERE {condition}),
   audited AS (
     INSERT INTO audit_event (action, subtype, outcome, client, account, address, request, patient, entity, query)
     SELECT 'R', f.subtype, 0, f.client, f.account, f.address, f.request, k.id, f.study, f.instance
     FROM found f LEFT JOIN patient_key k ON k.pat = f.pat WHERE f.same)
SELECT n, same FROM found"""
"""A row that is the same in key and version holds the same instance."""


class Reader:
    """Reads single instances over `pool`."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Row]]) -> None:
        self._pool = pool
        self._memory: Memory[Uids, Held] = Memory(CAPACITY)
        self._finding: Coalescer[Ask, Held | None] = Coalescer(self._find, limit=LIMIT, flights=FLIGHTS)
        self._showing: Coalescer[Shown, bool | None] = Coalescer(self._show, limit=LIMIT, flights=FLIGHTS)

    async def one(self, access: AccessContext, uids: Uids, subtype: str, use: Callable[[Held], T]) -> T:
        """What `use` makes of an instance, audited as `subtype`; nothing is audited when `use` raises.

        Raises as `retrieve.instances`.
        """
        wanted = asked(*uids)
        access.require("ImagingStudy", Permission.READ)
        held = self._memory.get(uids)
        for _ in range(ATTEMPTS):
            remembered = held is not None
            held = held or await self._finding.ask(Ask(access, uids))
            if held is None:
                break
            try:
                made = use(held)
            except HealixError:
                if not remembered:
                    raise
                held = None  # who may not see the instance is not told what it lacks
                continue
            same = await self._showing.ask(Shown(access, uids, held, subtype))
            if same:
                if not remembered:
                    self._memory.put(uids, held, held.weight)
                return made
            if same is None:
                break
            self._memory.drop(uids)
            held = None
        else:
            raise HealixError(Category.UNAVAILABLE, "the instance is being replaced; try again", retry_after=1)
        raise await aat_once(self._pool, missing(access, wanted))

    async def _find(self, asks: Sequence[Ask]) -> list[Held | None]:
        return await aat_once(self._pool, found(asks))

    async def _show(self, asks: Sequence[Shown]) -> list[bool | None]:
        return await aat_once(self._pool, shown(asks))


def found(asks: Sequence[Ask]) -> Work[list[Held | None]]:
    """The instances that callers ask for, as far as each may see them."""
    guard, columns = _keys(asks)
    condition = guard.condition("x.guard")
    rows = yield from one(Statement(_FOUND.format(condition=condition.sql), (*columns, *condition.params)))
    answers: list[Held | None] = [None] * len(asks)
    for n, pk, version, *columns_of_instance, layout, metadata in rows:
        instance = Instance(*columns_of_instance)
        answers[n - 1] = Held(pk, version, instance, msgspec.msgpack.decode(layout, type=Layout), bytes(metadata))
    return answers


def shown(asks: Sequence[Shown]) -> Work[list[bool | None]]:
    """Whether the instances are still the same, None for what is not open to its caller; that they are shown, if they
    are the same, is audited.
    """
    guard, columns = _keys(asks)
    condition = guard.condition("x.guard")
    origins = [ask.access.origin for ask in asks]
    further = (
        int8(ask.held.pk for ask in asks),
        text(ask.held.version for ask in asks),
        text(ask.subtype for ask in asks),
        text(origin.client for origin in origins),
        text(origin.account for origin in origins),
        text(origin.address for origin in origins),
        text(origin.request for origin in origins),
    )
    rows = yield Statement(_SHOWN.format(condition=condition.sql), (*columns, *further, *condition.params))
    answers: list[bool | None] = [None] * len(asks)
    for n, same in rows:
        answers[n - 1] = same
    return answers


def _keys(asks: Sequence[Ask | Shown]) -> tuple[Guard, tuple[object, ...]]:
    """The callers' predicates, and the UIDs with the numbers of these."""
    guard = Guard()
    numbers = [
        guard.number(ask.access.represented("ImagingStudy", Permission.READ, "s.pat", "s.imaging_study"))
        for ask in asks
    ]
    studies, series, instances = zip(*(ask.uids for ask in asks), strict=True)
    return guard, (text(studies), text(series), text(instances), int4(numbers))
