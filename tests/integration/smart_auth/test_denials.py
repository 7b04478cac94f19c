"""Refusals in the audit trail: one row each while they are few, counts when they are many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Row, open_async_pool
from smart_auth import denials as denials_module
from smart_auth import flood as module
from smart_auth.denials import Denials
from tests.support.gate import Pool
from tests.support.serve import wait_until

HERE, THERE = "192.0.2.1", "198.51.100.7"


def refusing(url: str, use: Callable[[Denials], Awaitable[None]]) -> None:
    """Run `use` with the refusals of a process, which ends afterwards."""

    async def main() -> None:
        pool = await open_async_pool(url, size=2)
        denials = Denials(pool)
        try:
            await use(denials)
        finally:
            await denials.stop()
            await pool.close()

    asyncio.run(main())


async def flood(denials: Denials, address: str, count: int, subtype: str = "token") -> None:
    """Refuse so many requests at once."""
    await asyncio.gather(*(denials.refused(Origin(address=address, request="r1"), subtype) for _ in range(count)))


def trail(pool: Pool) -> list[Row]:
    """What the trail tells of refusals."""
    with pool.connection() as connection:
        return connection.execute(
            "SELECT subtype, address, request, query FROM audit_event WHERE outcome = 4 ORDER BY seq"
        ).fetchall()


def test_a_flood_is_counted(database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first refusals of an address have rows of their own, the others one for each kind with their number."""
    monkeypatch.setattr(module, "PER_ADDRESS", 3)

    async def use(denials: Denials) -> None:
        await flood(denials, HERE, 20)
        await flood(denials, HERE, 5, "login")
        await flood(denials, THERE, 1)

    refusing(database_url, use)
    single = [("token", HERE, "r1", None)] * 3 + [("token", THERE, "r1", None)]
    counted = "further refusals within 60 s have no row of their own"
    assert trail(pool) == [*single, ("token", HERE, None, f"17 {counted}"), ("login", HERE, None, f"5 {counted}")]


def test_floods_from_everywhere_are_bounded(database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many addresses there are, a window has so many single rows, so many counts, and one for the rest."""
    monkeypatch.setattr(module, "IN_ALL", 5)
    monkeypatch.setattr(module, "GROUPS", 3)

    async def use(denials: Denials) -> None:
        for n in range(20):
            await flood(denials, f"192.0.2.{n}", 2)

    refusing(database_url, use)
    rows = trail(pool)
    assert len(rows) == 5 + 3 + 1
    assert rows[-1][0] == "flood"
    assert sum(int(row[3].split()[0]) for row in rows if row[3]) == 40 - 5


def test_windows_end_by_themselves_and_grow(database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A count is written when its window ends, also when nobody comes any more; while a flood lasts, windows grow and
    its address has no rows of its own; when it is over, it begins anew.
    """
    monkeypatch.setattr(module, "PER_ADDRESS", 1)
    moment = [0.0]
    monkeypatch.setattr(denials_module, "time", SimpleNamespace(monotonic=lambda: moment[0]))

    async def written(rows: int) -> None:
        await asyncio.to_thread(wait_until, lambda: len(trail(pool)) == rows, "the count")

    async def use(denials: Denials) -> None:
        moment[0] = 59.99
        await flood(denials, HERE, 4)
        await written(2)
        moment[0] += 119.99
        await flood(denials, HERE, 4)
        await written(3)
        await flood(denials, THERE, 1)
        moment[0] += 241
        await flood(denials, HERE, 1)

    refusing(database_url, use)
    further = "further refusals within {} s have no row of their own"
    first, second = f"3 {further.format(60)}", f"4 {further.format(120)}"
    assert [(row[1], row[3]) for row in trail(pool)] == [
        (HERE, None), (HERE, first), (HERE, second), (THERE, None), (HERE, None),
    ]  # fmt: skip


def test_subscribers_of_ipv6_are_one(database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who changes addresses within a /64 has no more rows for it."""
    monkeypatch.setattr(module, "PER_ADDRESS", 2)

    async def use(denials: Denials) -> None:
        for n in range(1, 6):
            await flood(denials, f"2001:db8::{n}", 1)

    refusing(database_url, use)
    assert [row[1] for row in trail(pool)] == ["2001:db8::1", "2001:db8::2", "2001:db8::/64"]


def test_a_database_that_is_away_hinders_no_refusal(database_url: str) -> None:
    """A refusal that cannot be recorded is logged, and the caller is answered."""

    async def main() -> None:
        pool = await open_async_pool(database_url, size=1)
        await pool.close()
        await flood(Denials(pool), HERE, 30)

    asyncio.run(main())
