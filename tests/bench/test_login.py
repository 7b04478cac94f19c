"""What a login costs: statements, and the time that argon2 does not take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

import pytest

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import open_async_pool, open_pool
from healix_fhir.kernel.errors import HealixError
from smart_auth.denials import Denials
from smart_auth.oauth.login import Entered, Login, log_in
from smart_auth.oauth.passwords import Verifier, hash_password
from smart_auth.oauth.throttle import Throttle
from tests.support.gate import user
from tests.support.query_recorder import query_recorder

pytestmark = pytest.mark.bench

ROUNDS = 30
RIGHT, WRONG, SHARE = "correct horse battery staple", "wrong horse", 0.8
STATEMENTS = {"right": 7, "wrong": 3, "unknown": 3}
"""Of a login: its count by the rules, the account, the second factors, that it was right, the session (2) and the audit
row; of a refusal the count, the account and the audit row.
"""


def test_a_login_costs_what_argon2_does(durable_url: str) -> None:
    """A few statements, whatever the outcome; four fifths of a login's time and more are argon2's (least of rounds)."""

    async def main() -> tuple[dict[str, int], float, float]:
        pool = await open_async_pool(durable_url, size=2)
        verifier, throttle, denials = Verifier(), Throttle(pool), Denials(pool)

        async def attempt(name: str, password: str, n: int) -> bool:
            origin = Origin(address=f"192.0.2.{n}")
            try:
                return isinstance(
                    await log_in(pool, verifier, throttle, denials, Login(name, password), origin), Entered
                )
            except HealixError:
                return False

        counts = {}
        for n, (kind, name, password) in enumerate(
            [("right", "user0", RIGHT), ("wrong", "user1", WRONG), ("unknown", "nobody", WRONG)]
        ):
            await attempt(name, password, 200 + n)
            with query_recorder() as statements:
                assert await attempt(name, password, 200 + n) is (kind == "right")
            counts[kind] = len(statements)
        times: list[tuple[float, float]] = []
        for n in range(ROUNDS):
            whole = await _milliseconds(attempt(f"user{n}", RIGHT, n))
            times.append((whole, await _milliseconds(verifier.matches(RIGHT, hashed))))
        await denials.stop()
        verifier.close()
        await pool.close()
        return counts, *map(min, zip(*times, strict=True))

    hashed = hash_password(RIGHT)
    with open_pool(durable_url, size=1) as accounts:
        for n in range(ROUNDS):
            user(accounts, f"user{n}", role="practitioner", fhir_user="Practitioner/d", password_hash=hashed)
    counts, whole, hashing = asyncio.run(main())
    print(f"\na login {whole:.1f} ms, argon2 alone {hashing:.1f} ms ({hashing / whole:.0%}); statements {counts}")
    assert counts == STATEMENTS
    assert hashing >= SHARE * whole


async def _milliseconds(work: Awaitable[bool]) -> float:
    """How long work takes that succeeds."""
    began = time.perf_counter()
    assert await work
    return (time.perf_counter() - began) * 1000
