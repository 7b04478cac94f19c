"""Point reads of one web process: those that arrive together are one query, each under its own caller's predicate."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.kernel.coalesce import Coalescer
from healix_fhir.kernel.database import Lent, Row, arun
from healix_fhir.kernel.errors import HealixError
from healix_fhir.store.read import Ask, read_each
from healix_fhir.store.stored import Stored
from smart_auth.access import AccessContext

LIMIT = 64
FLIGHTS = 2


class Reader:
    """Reads of current versions over `pool`."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Row]]) -> None:
        self._pool = pool
        self._coalescer: Coalescer[Ask, Stored] = Coalescer(self._answer, limit=LIMIT, flights=FLIGHTS)

    def read(self, access: AccessContext, type_name: str, id_: str) -> Awaitable[Stored]:
        """The current version; raises as `store.read.read` does."""
        return self._coalescer.ask(Ask(access, type_name, id_))

    async def _answer(self, asked: Sequence[Ask]) -> list[Stored | HealixError]:
        async with Lent(self._pool) as connection:  # one statement, so its own transaction
            return await arun(connection, read_each(asked))
