"""Limits over a real database: counting, waiting, taking back, and what strangers cannot do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from healix_fhir.kernel.database import aat_once, arun, one, open_async_pool, transaction
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.oauth import throttle as module
from smart_auth.oauth.limits import ACCOUNT, ADDRESS, CLIENT, LOGIN, PAIR, Rule
from smart_auth.oauth.throttle import Hit, Throttle, clean, held_for, right, unlock
from tests.support.gate import AsyncPool, Pool
from tests.support.query_recorder import query_recorder

RATE = (Rule("rate", ADDRESS, 3, 60),)
BACK_OFF = (Rule("back-off", PAIR, 2, 600, pause=10, longest=60, guess=True),)
HERE, THERE = "192.0.2.1", "198.51.100.7"
Use = Callable[[Throttle, AsyncPool], Awaitable[None]]


@asynccontextmanager
async def throttled(url: str) -> AsyncIterator[tuple[Throttle, AsyncPool]]:
    """The limits of one process."""
    pool = await open_async_pool(url, size=8)
    try:
        yield Throttle(pool), pool
    finally:
        await pool.close()


def limiting(url: str, use: Use) -> None:
    """Run `use` with the limits of a process."""

    async def main() -> None:
        async with throttled(url) as (throttle, pool):
            await use(throttle, pool)

    asyncio.run(main())


async def held(throttle: Throttle, rules: tuple[Rule, ...], **said: str) -> HealixError:
    """The refusal of a hit."""
    with pytest.raises(HealixError) as caught:
        await throttle.hit(rules, **said)
    assert caught.value.category is Category.BUSY
    return caught.value


async def remaining(throttle: Throttle, account: str) -> dict[str, int]:
    """What is left of each limit of logins after a further one."""
    return {quota.name: quota.left for quota in (await throttle.hit(LOGIN, account=account, address=HERE)).quotas}


def later(pool: Pool, seconds: int) -> None:
    """Let time pass for everything that is counted."""
    with pool.connection() as connection:
        connection.execute(
            "UPDATE throttle SET until = until - make_interval(secs => %(s)s),"
            " expires = expires - make_interval(secs => %(s)s)",
            {"s": seconds},
        )


def test_a_rate(database_url: str, pool: Pool) -> None:
    """A quota is used up hit by hit, what goes beyond waits for the window's end, and then there is all of it again."""

    async def use(throttle: Throttle, connections: AsyncPool) -> None:
        left = [(await throttle.hit(RATE, address=HERE)).quotas[0].left for _ in range(3)]
        assert left == [2, 1, 0]
        refused = await held(throttle, RATE, address=HERE)
        assert refused.retry_after is not None
        assert 58 <= refused.retry_after <= 60
        assert refused.waiting["RateLimit-Policy"] == '"rate";q=3;w=60'
        assert refused.waiting["RateLimit"] == f'"rate";r=0;t={refused.retry_after}'
        assert (await throttle.hit(RATE, address=THERE)).quotas[0].left == 2
        later(pool, 61)
        assert (await Throttle(throttle._pool).hit(RATE, address=HERE)).quotas[0].left == 2

    limiting(database_url, use)


def test_back_off(database_url: str, pool: Pool) -> None:
    """After the free guesses each further one waits twice as long, up to the longest pause; hammering adds nothing."""

    async def use(throttle: Throttle, connections: AsyncPool) -> None:
        said = {"account": "ada", "address": HERE}
        await Throttle(connections).hit(BACK_OFF, **said)
        await Throttle(connections).hit(BACK_OFF, **said)
        pauses = []
        for _ in range(5):
            for _ in range(3):
                refused = await held(Throttle(connections), BACK_OFF, **said)
            pauses.append(refused.retry_after)
            later(pool, refused.retry_after or 0)
            await Throttle(connections).hit(BACK_OFF, **said)
        assert pauses == [10, 20, 40, 60, 60]
        later(pool, 601)
        assert (await Throttle(connections).hit(BACK_OFF, **said)).quotas[0].left == 1

    limiting(database_url, use)


def test_hits_at_once_cannot_pass_together(database_url: str) -> None:
    """Of hits made at the same time by several processes, as many count as the quota says, also when none of them has
    seen the others.
    """

    async def use(throttle: Throttle, connections: AsyncPool) -> None:
        processes = [throttle, Throttle(connections), Throttle(connections)]
        await throttle.hit(RATE, address=HERE)
        async with connections.connection() as connection, connection.transaction():
            await connection.execute("SELECT FROM throttle FOR UPDATE")
            asked = [asyncio.create_task(processes[n % 3].hit(RATE, address=HERE)) for n in range(6)]
            await waiting(connections, 6)
        hits = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(hit, Hit) for hit in hits) == 2
        assert all(isinstance(hit, Hit | HealixError) for hit in hits)

    limiting(database_url, use)


async def waiting(connections: AsyncPool, count: int) -> None:
    """Return when so many statements wait for a lock."""
    async with connections.connection() as connection:
        for _ in range(6000):
            found = await connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if await found.fetchone() == (count,):
                return
            await asyncio.sleep(0.01)
    raise AssertionError("they do not wait")


def test_what_one_rule_holds_no_rule_counts(database_url: str) -> None:
    """A stranger whose address has to wait adds nothing to the count of the account."""
    rules = (Rule("address", ADDRESS, 1, 60), Rule("account", ACCOUNT, 9, 60))

    async def use(throttle: Throttle, connections: AsyncPool) -> None:
        await throttle.hit(rules, account="ada", address=HERE)
        for _ in range(5):
            await held(throttle, rules, account="ada", address=HERE)
        hit = await throttle.hit(rules, account="ada", address=THERE)
        assert {quota.name: quota.left for quota in hit.quotas} == {"address": 0, "account": 7}

    limiting(database_url, use)


def test_one_statement_a_hit_and_none_when_held(database_url: str) -> None:
    """All rules of a hit are one statement; a process asks nothing about who it knows to wait."""

    async def use(throttle: Throttle, connections: AsyncPool) -> None:
        with query_recorder() as statements:
            await throttle.hit(LOGIN, account="ada", address=HERE)
        assert len(statements) == 1
        for _ in range(4):
            await throttle.hit(LOGIN, account="ada", address=HERE)
        await held(throttle, LOGIN, account="ada", address=HERE)
        with query_recorder() as statements:
            await held(throttle, LOGIN, account="ada", address=HERE)
        assert statements == []

    limiting(database_url, use)


def test_right_guesses_are_taken_back(database_url: str, pool: Pool) -> None:
    """A right guess forgets the wrong ones of the account at the address, and counts nowhere."""

    async def use(throttle: Throttle, connections: AsyncPool) -> None:
        for _ in range(10):
            for _ in range(3):
                await throttle.hit(LOGIN, account="ada", address=HERE)
            await aat_once(connections, one(right(await throttle.hit(LOGIN, account="ada", address=HERE))))
        assert await remaining(throttle, "ada") == {"login": 4, "login-own-rate": 79}
        assert (await remaining(throttle, "bob"))["login-address"] == 100 - 3 - 1

    limiting(database_url, use)


def test_an_account_under_attack_lets_its_person_in(database_url: str, pool: Pool) -> None:
    """Strangers make an account wait at new addresses, a minute at most, and not where its person signed in before."""

    async def use(throttle: Throttle, connections: AsyncPool) -> None:
        hit = await throttle.hit(LOGIN, account="ada", address=HERE)
        await aat_once(connections, one(right(hit)))
        for n in range(50):
            await throttle.hit(LOGIN, account="ada", address=f"203.0.113.{n // 4}")
        refused = await held(Throttle(connections), LOGIN, account="Ada ", address=THERE)
        assert [quota.name for quota in refused.quotas] == ["login-account"]
        for n in range(10):
            later(pool, 60)
            await Throttle(connections).hit(LOGIN, account="ada", address=f"203.0.113.{100 + n}")
        refused = await held(Throttle(connections), LOGIN, account="ada", address=THERE)
        assert (refused.retry_after or 0) <= 60
        await throttle.hit(LOGIN, account="ada", address=HERE)

    limiting(database_url, use)


def test_a_shared_address_under_attack_lets_its_people_in(database_url: str) -> None:
    """Who tries many accounts from one address is held, and people who signed in from there before are not."""

    async def use(throttle: Throttle, connections: AsyncPool) -> None:
        await aat_once(connections, one(right(await throttle.hit(LOGIN, account="ada", address=HERE))))
        for n in range(100):
            await throttle.hit(LOGIN, account=f"name{n}", address=HERE)
        refused = await held(throttle, LOGIN, account="bob", address=HERE)
        assert [quota.name for quota in refused.quotas] == ["login-address"]
        with query_recorder() as statements:
            await held(throttle, LOGIN, account="eve", address=HERE)
        assert statements == []
        await throttle.hit(LOGIN, account="ada", address=HERE)
        await throttle.hit(LOGIN, account="bob", address=THERE)

    limiting(database_url, use)


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_addresses(database_url: str, first: str, second: str, together: bool) -> None:
    """IPv6 callers are counted by their /64, IPv4 ones by their address."""

    async def use(throttle: Throttle, connections: AsyncPool) -> None:
        await throttle.hit(RATE, address=first)
        assert (await throttle.hit(RATE, address=second)).quotas[0].left == (1 if together else 2)

    limiting(database_url, use)


def test_rules_without_what_they_count_by_do_not_apply(database_url: str) -> None:
    """A client's limit needs a client; a rule by nothing counts everybody together."""
    rules = (Rule("client", CLIENT, 1, 60), Rule("all", (), 2, 60))

    async def use(throttle: Throttle, connections: AsyncPool) -> None:
        assert [quota.name for quota in (await throttle.hit(rules, address=HERE)).quotas] == ["all"]
        await throttle.hit(rules, address=THERE)
        await held(throttle, rules, address="203.0.113.5")

    limiting(database_url, use)


def test_unlocking(database_url: str, pool: Pool) -> None:
    """An administrator sees for how long accounts are held, and lets them in at once, from everywhere."""

    async def use(throttle: Throttle, connections: AsyncPool) -> None:
        for _ in range(5):
            await throttle.hit(LOGIN, account="ada", address=HERE)
        await throttle.hit(LOGIN, account="bob", address=HERE)
        waits = transaction(pool, lambda: held_for(["ada", "bob", "nobody"]))
        assert list(waits) == ["ada"]
        assert 28 < waits["ada"] <= 30
        assert transaction(pool, lambda: unlock("Ada"))
        assert not transaction(pool, lambda: unlock("ada"))
        await Throttle(connections).hit(LOGIN, account="ada", address=HERE)

    limiting(database_url, use)


def test_the_table_does_not_grow_without_bound(database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts that are over go, and of those that are not the ones that end first, when there are too many."""
    monkeypatch.setattr(module, "MOST", 3)
    monkeypatch.setattr(module, "CLEANING", 0.0)

    async def use(throttle: Throttle, connections: AsyncPool) -> None:
        for n in range(8):
            await throttle.hit((Rule("r", ADDRESS, 3, 60 + n),), address=f"192.0.2.{n}")
        async with connections.connection() as connection:
            await arun(connection, one(clean()))
            rows = await (await connection.execute("SELECT count(*) FROM throttle")).fetchall()
            assert rows == [(3,)]
            await connection.execute("UPDATE throttle SET expires = now()")
            await arun(connection, one(clean()))
            rows = await (await connection.execute("SELECT count(*) FROM throttle")).fetchall()
            assert rows == [(0,)]

    limiting(database_url, use)
    with pool.connection() as connection:
        assert connection.execute("SELECT relpersistence FROM pg_class WHERE relname = 'throttle'").fetchone() == ("u",)
