"""The token gate over a real database: what opens, what is remembered, what is refused and audited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import psycopg
import pytest

from healix_fhir.kernel.database import Statement, one, transaction
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.api import bearer
from smart_auth.api.bearer import TokenGate
from smart_auth.store import digest, disable_user, revoke
from tests.support.gate import Pool, header, heard, open_gate, token, user
from tests.support.query_recorder import query_recorder


def with_gate(url: str, use: Callable[[TokenGate], Awaitable[None]]) -> None:
    """Run `use` with an open gate."""

    async def main() -> None:
        async with open_gate(url) as gate:
            await use(gate)

    asyncio.run(main())


async def refusal(gate: TokenGate, headers: dict[bytes, bytes], address: str = "192.0.2.1") -> tuple[Category, str]:
    """How the gate refuses."""
    with pytest.raises(HealixError) as caught:
        await gate.access(headers, address, "r1")
    return caught.value.category, caught.value.message


async def until_refused(gate: TokenGate, value: str) -> None:
    """Wait for the notice to arrive: milliseconds, far below the time a token is remembered."""
    async with asyncio.timeout(2):
        while True:
            try:
                await gate.access(header(value))
            except HealixError:
                return
            await asyncio.sleep(0.005)


def test_access_of_a_token(database_url: str, pool: Pool) -> None:
    """A good token opens its scope; the origin says which client from where in which request."""
    value = token(pool, "patient/*.rs", patient="p1", client="app")

    async def use(gate: TokenGate) -> None:
        for scheme in (b"Bearer ", b"bearer "):
            access = await gate.access({b"authorization": scheme + value.encode()}, "192.0.2.7", "r9")
            assert access.patient == "p1"
            origin = access.origin
            assert (origin.client, origin.address, origin.request) == ("app", "192.0.2.7", "r9")

    with_gate(database_url, use)


@pytest.mark.spec("RFC 6750 3.1")
def test_refusals_are_alike(database_url: str, pool: Pool) -> None:
    """An unknown, an expired, a revoked and a malformed token are told nothing of the difference."""
    expired, revoked = token(pool, "system/*.rs"), token(pool, "system/*.rs")
    with pool.connection() as connection:
        connection.execute("UPDATE access_token SET expires = now() WHERE hash = %s", (digest(expired),))
    transaction(pool, lambda: revoke(revoked))

    async def use(gate: TokenGate) -> None:
        bad = [header(expired), header(revoked), header("unknown"), header(""), header("ü"), header("x" * 5000)]
        bad += [{b"authorization": b"Basic eA=="}, {b"authorization": b""}]
        answers = {await refusal(gate, headers) for headers in bad}
        assert answers == {(Category.UNAUTHENTICATED, "the access token is not valid")}
        assert (await refusal(gate, {}))[0] is Category.UNAUTHENTICATED

    with_gate(database_url, use)


def test_known_tokens_cost_no_statement(database_url: str, pool: Pool) -> None:
    """A good token is remembered: it opens even when its row was changed behind the server's back."""
    value = token(pool, "system/*.rs")

    async def use(gate: TokenGate) -> None:
        assert gate.recognise(header(value)) is None
        await gate.access(header(value))
        assert gate.recognise(header(value)) == digest(value)
        assert [gate.recognise(one) for one in (header(f"{value}x"), header(""), {})] == [None] * 3
        with pool.connection() as connection:
            connection.execute("DELETE FROM access_token")
        await gate.access(header(value))

    with_gate(database_url, use)


def test_revocation_is_immediate(database_url: str, pool: Pool) -> None:
    """A remembered token is worthless once it is revoked, or its account closed, by whatever process."""
    user(pool, "dr", role="practitioner", fhir_user="Practitioner/d1")
    first, second = token(pool, "system/*.rs"), token(pool, "user/*.rs", username="dr")

    async def use(gate: TokenGate) -> None:
        await gate.access(header(first))
        await gate.access(header(second))
        await asyncio.to_thread(transaction, pool, lambda: revoke(first))
        await until_refused(gate, first)
        await gate.access(header(second))
        await asyncio.to_thread(transaction, pool, lambda: disable_user("dr"))
        await until_refused(gate, second)

    with_gate(database_url, use)


def test_remembered_tokens_expire(database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A remembered token ends with its time, sooner than it is forgotten."""
    monkeypatch.setattr(bearer, "REMEMBERED", 7200)
    value = token(pool, "system/*.rs", ttl=3600)

    async def use(gate: TokenGate) -> None:
        await gate.access(header(value))
        transaction(pool, lambda: one(Statement("UPDATE access_token SET expires = now()")))
        await gate.access(header(value))  # it is remembered
        later = time.monotonic() + 3600
        monkeypatch.setattr(bearer, "time", SimpleNamespace(monotonic=lambda: later))
        await refusal(gate, header(value))

    with_gate(database_url, use)


def test_nothing_is_remembered_while_deaf(database_url: str, pool: Pool) -> None:
    """When the connection that hears revocations is cut, tokens are looked up each time; it comes back by itself."""
    value = token(pool, "system/*.rs")

    async def use(gate: TokenGate) -> None:
        await gate.access(header(value))
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
            await heard(gate, False)
            await gate.access(header(value))
            connection.execute("DELETE FROM access_token")
        await refusal(gate, header(value))
        await heard(gate, True)

    with_gate(database_url, use)


def test_a_check_costs_one_statement_or_none(database_url: str, pool: Pool) -> None:
    """A good token is looked up with one statement, with several that come together, and then remembered."""
    values = [token(pool, "system/*.rs") for _ in range(5)]

    async def use(gate: TokenGate) -> None:
        with query_recorder() as statements:
            await asyncio.gather(*(gate.access(header(value)) for value in values))
        assert len(statements) == 1
        with query_recorder() as statements:
            await asyncio.gather(*(gate.access(header(value)) for value in values))
        assert statements == []

    with_gate(database_url, use)
