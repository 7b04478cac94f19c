"""The FHIR interactions over a test's database, without HTTP, and callers of every kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Row, Work, open_async_pool, transaction
from healix_fhir.model.json import encode
from healix_fhir.search.extract import extract
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Committed, Method
from smart_auth.access import AccessContext, internal
from smart_auth.patients import patient_keys
from smart_auth.scope import parse

T = TypeVar("T")
Pool = ConnectionPool[Connection[Row]]
BASE = "http://healix.test/fhir"
SYSTEM = internal("test")


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[Interactions]:
    """The interactions over a pool of their own."""
    pool = await open_async_pool(url, size=4)
    try:
        yield Interactions(pool, (BASE,))
    finally:
        await pool.close()


def serve(url: str, use: Callable[[Interactions], Awaitable[T]]) -> T:
    """Run `use` with the interactions on an event loop of its own."""

    async def main() -> T:
        async with serving(url) as interactions:
            return await use(interactions)

    return asyncio.run(main())


def do(pool: Pool, work: Callable[[], Work[T]]) -> T:
    """Run a use case in a transaction."""
    return transaction(pool, work)


def of_patient(pool: Pool, id_: str, scope: str = "patient/*.cruds") -> AccessContext:
    """A caller whose token is bound to one patient."""
    keys = do(pool, lambda: patient_keys([id_]))
    return AccessContext(parse(scope), Origin(client=f"app of {id_}"), patient=id_, pat=keys[id_])


def with_scope(scope: str) -> AccessContext:
    """A caller with a system scope."""
    return AccessContext(parse(scope), Origin(client="backend"))


def change(method: Method, resource: dict[str, Any], id_: str, if_match: int | None = None) -> Change:
    """A change with the index rows of its resource."""
    resource = {**resource, "id": id_}
    type_name = resource["resourceType"]
    return Change(method, type_name, id_, resource, extract(resource, type_name, (BASE,)), if_match)


def put(pool: Pool, resource: dict[str, Any], id_: str, access: AccessContext = SYSTEM) -> Committed:
    """Store `resource` under `id_`."""
    (done,) = do(pool, lambda: commit(access, [change(Method.PUT, resource, id_)]))
    return done


def rows(pool: Pool, sql: str, *params: object) -> list[Row]:
    """The rows of a query."""
    with pool.connection() as connection:
        return connection.execute(sql, params).fetchall()


def body(resource: dict[str, Any], **elements: Any) -> bytes:
    """A resource as a request's body."""
    return encode(resource | elements)
