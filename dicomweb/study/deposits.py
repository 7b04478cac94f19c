"""Deposits of one web process: small ones that arrive together share one transaction (group commit).

Whoever sends one object a request waits for the same statement as others with the same rights, and for the same forcing
of directories. The trail says of each who sent it. Where anything stands against a group, each of its deposits is
stored by itself, so that nobody suffers from another's object.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

from msgspec.structs import replace
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from dicomweb.archive.aside import aside
from dicomweb.archive.blobs import Archive
from dicomweb.non_patient import store
from dicomweb.study.outcome import Duplicates, Outcome
from dicomweb.study.receive import Received
from dicomweb.study.store import RACES, adeposit, may_be_committed, store_new
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.coalesce import Coalescer
from healix_fhir.kernel.database import Row, aat_once
from healix_fhir.kernel.log import get_logger
from smart_auth.access import AccessContext

log = get_logger("dicomweb")

SMALL, LIGHT = 8, 256 << 10
"""Objects, and bytes of their metadata, of a deposit that shares: a larger one gains nothing by company."""
LIMIT = 32
FLIGHTS = 2

Asked: TypeAlias = tuple[AccessContext, Sequence[Received]]


class Deposits:
    """Deposits over `pool` by the service `source`, the word of the trail."""

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection[Row]],
        archive: Archive,
        source: str,
        duplicates: Duplicates = Duplicates.REFUSE,
    ) -> None:
        self._pool = pool
        self._archive = archive
        self._source = source
        self._duplicates = duplicates
        self._coalescer: Coalescer[Asked, list[Outcome]] = Coalescer(self._answer, limit=LIMIT, flights=FLIGHTS)

    async def store(self, access: AccessContext, received: Sequence[Received]) -> list[Outcome]:
        """`adeposit` of these objects, in company where they are few."""
        if len(received) > SMALL or sum(len(one.header.metadata) for one in received) > LIGHT:
            return await self._alone(access, received)
        return await self._coalescer.ask((access, received))

    async def of_no_patient(self, access: AccessContext, received: Sequence[Received]) -> list[Outcome]:
        """The same for objects of no patient, which come seldom."""
        return await store.adeposit(self._pool, self._archive, access, received, self._source, self._duplicates)

    async def _alone(self, access: AccessContext, received: Sequence[Received]) -> list[Outcome]:
        return await adeposit(self._pool, self._archive, access, received, self._source, self._duplicates)

    async def _answer(self, asked: Sequence[Asked]) -> list[list[Outcome] | Exception]:
        alike: dict[AccessContext, list[int]] = {}
        for n, (access, _) in enumerate(asked):
            alike.setdefault(replace(access, origin=Origin()), []).append(n)
        outcomes: dict[int, list[Outcome] | Exception] = {}
        for members, found in zip(
            alike.values(),
            await asyncio.gather(*(self._group([asked[n] for n in members]) for members in alike.values())),
            strict=True,
        ):
            outcomes |= dict(zip(members, found, strict=True))
        return [outcomes[n] for n in range(len(asked))]

    async def _group(self, group: Sequence[Asked]) -> list[list[Outcome] | Exception]:
        """The outcomes of deposits of the same rights, each in its order, or what it raises."""
        if len(group) > 1:
            try:
                together = await self._together(group)
            except RACES:
                together = None
            except Exception as error:
                if may_be_committed(error):
                    return [error] * len(group)
                log.exception("deposits were not stored together; each is by itself", deposits=len(group))
                together = None
            if together is not None:
                each = iter(together)
                return [[next(each) for _ in received] for _, received in group]
        return [await self._caught(*one) for one in group]

    async def _together(self, group: Sequence[Asked]) -> list[Outcome] | None:
        """The outcomes of all objects; None, and nothing written, where anything stands against one of them."""
        received = [one for _, objects in group for one in objects]
        origins = [access.origin for access, objects in group for _ in objects]
        await aside(self._archive.enter, [one.key for one in received])
        return await aat_once(self._pool, store_new(group[0][0], received, self._source, origins))

    async def _caught(self, access: AccessContext, received: Sequence[Received]) -> list[Outcome] | Exception:
        try:
            return await self._alone(access, received)
        except Exception as error:  # noqa: BLE001 - raised again for the one who asked
            return error
