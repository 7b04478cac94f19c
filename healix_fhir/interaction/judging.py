"""Judging resources in a web process: definitions are fetched when a judgement asks for them, and it begins again.

A large guide takes seconds to decode and compile: both are done in threads, so that the event loop serves others.

Spec: FHIR R4, hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.interaction.definitions import Definitions
from healix_fhir.kernel.database import Row, atransaction
from healix_fhir.kernel.errors import Issue
from healix_fhir.model.profile.element_tree import ElementNode
from healix_fhir.model.profile.judge import Extent, judge
from healix_fhir.model.profile.library import Library, NotLoadedError, Question
from smart_auth.access import AccessContext

T = TypeVar("T")
AGE = 1.0
"""Seconds for which a write relies on the definitions that it has."""


class Judging:
    """Judgements over `pool`."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Row]], definitions: Definitions) -> None:
        self._pool = pool
        self._definitions = definitions
        self._refreshed = 0.0
        self._loading = asyncio.Lock()

    async def run(self, work: Callable[[], Awaitable[T]], *, age: float = AGE) -> T:
        """Do `work` with definitions no older than `age`; it is begun again when it lacks some, and must allow that."""
        now = time.monotonic()
        if now - self._refreshed >= age:
            self._refreshed = now  # who comes meanwhile goes on with what there is
            await atransaction(self._pool, self._definitions.refresh)
        while True:
            try:
                return await work()
            except NotLoadedError as missing:
                library, urls, questions = missing.library, missing.urls, missing.questions
            await self._load(library, urls, questions)

    async def _load(self, library: Library, urls: frozenset[str], questions: frozenset[Question]) -> None:
        async with self._loading:
            await atransaction(self._pool, lambda: self._definitions.load(library, urls, questions), aside=True)

    async def judge(
        self, access: AccessContext, resource: dict[str, Any], type_name: str, extent: Extent
    ) -> tuple[Issue, ...]:
        """Every issue of a resource by the definitions of now, those that the caller may know of."""

        async def work() -> tuple[Issue, ...]:
            library = self._definitions.library(access)
            return await asyncio.to_thread(judge, resource, type_name, extent, library)

        return await self.run(work, age=0.0)

    async def tree(self, access: AccessContext, canonical: str) -> ElementNode:
        """The elements of a StructureDefinition that the caller may know of. Raises Invalid where there is none."""

        async def work() -> ElementNode:
            library = self._definitions.library(access)
            return await asyncio.to_thread(lambda: library.tree(library.structure(canonical)))

        return await self.run(work, age=0.0)
