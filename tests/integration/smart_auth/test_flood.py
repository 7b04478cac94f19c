"""A flood of logins: refused before a password is looked at, and bounded where it is."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import open_async_pool
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.denials import Denials
from smart_auth.oauth import passwords
from smart_auth.oauth.login import Login, log_in
from smart_auth.oauth.passwords import NICE, THREADS, WAITING, Verifier
from smart_auth.oauth.throttle import Throttle


@pytest.mark.parametrize("known", [True, False])
def test_a_flood_from_one_address_is_refused_before_argon2(
    database_url: str, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """Of hundreds of guesses from one address at one name or at many, only those that its limit allows pay argon2."""
    paid: list[str] = []

    def wrong(password: str, hashed: str | None) -> bool:
        paid.append(password)
        return False

    monkeypatch.setattr(passwords, "matches", wrong)

    async def main() -> list[Category]:
        pool = await open_async_pool(database_url, size=8)
        verifier, throttle, denials = Verifier(), Throttle(pool), Denials(pool)

        async def guess(n: int) -> Category:
            name, origin = "ada" if known else f"name{n}", Origin(address="192.0.2.1")
            try:
                await log_in(pool, verifier, throttle, denials, Login(name, f"guess {n}"), origin)
            except HealixError as error:
                return error.category
            raise AssertionError("a guess was right")

        try:
            return [found for n in range(0, 400, 20) for found in await asyncio.gather(*map(guess, range(n, n + 20)))]
        finally:
            verifier.close()
            await pool.close()

    found = asyncio.run(main())
    allowed = 5 if known else 100
    assert len(paid) == allowed
    assert [found.count(one) for one in (Category.UNAUTHENTICATED, Category.BUSY)] == [allowed, 400 - allowed]


def test_argon2_runs_in_a_bounded_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few passwords are hashed at once, by threads that give way; few more wait, and what comes beyond is refused."""
    go, running, most, priorities = threading.Event(), [0], [0], set()
    lock = threading.Lock()

    def slow(password: str, hashed: str | None) -> bool:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
            priorities.add(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        go.wait(10)
        with lock:
            running[0] -= 1
        return False

    monkeypatch.setattr(passwords, "matches", slow)

    async def main() -> list[object]:
        verifier = Verifier()
        asked = [asyncio.create_task(verifier.matches("x", None)) for _ in range(WAITING + 10)]
        await asyncio.sleep(0.1)
        refused = [task for task in asked if task.done()]
        go.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        verifier.close()
        assert len(refused) == 10
        return list(answers)

    answers = asyncio.run(main())
    assert answers.count(False) == WAITING
    assert sum(isinstance(one, HealixError) and one.category is Category.BUSY for one in answers) == 10
    assert most[0] == THREADS
    assert priorities == {NICE}
