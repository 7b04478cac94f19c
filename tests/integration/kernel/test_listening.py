"""What hears PostgreSQL's notices goes on hearing, whatever it hears."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from healix_fhir.kernel import listening
from healix_fhir.kernel.listening import Listener
from smart_auth.api.revocations import Revocations
from smart_auth.store import CHANNEL


async def notified(url: str, channel: str, payload: str) -> None:
    """Anybody who may use the database sends this."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("SELECT pg_notify(%s, %s)", (channel, payload))


async def eventually(heard: list[str], wanted: str, times: int = 1) -> None:
    """Wait until something is heard so many times."""
    for _ in range(6000):
        if heard.count(wanted) >= times:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{wanted} is not heard")


def test_a_notice_that_cannot_be_read_ends_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error in what was heard it listens anew, and has said that it missed something."""
    monkeypatch.setattr(listening, "AGAIN", 0.01)
    told: list[str] = []

    def heard(payload: str) -> None:
        if payload == "odd":
            raise ValueError(payload)
        told.append(payload)

    async def main() -> None:
        listener = Listener(
            database_url,
            "tests",
            heard,
            began=lambda: told.append("began"),
            lost=lambda: told.append("lost"),
            unheard="nothing is heard",
        )
        listener.start()
        await eventually(told, "began")
        await notified(database_url, "tests", "odd")
        await eventually(told, "lost")
        told.remove("began")
        await eventually(told, "began")
        await notified(database_url, "tests", "even")
        await eventually(told, "even")
        await listener.stop()

    asyncio.run(main())


def test_an_odd_revocation_is_one_of_any_token(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notice that names no token has all forgotten; those that follow are heard."""
    monkeypatch.setattr(listening, "AGAIN", 0.01)
    told: list[str] = []

    async def main() -> None:
        revocations = Revocations(database_url, lambda hashed: told.append("any" if hashed is None else hashed.hex()))
        await revocations.start()
        await eventually(told, "any")
        await notified(database_url, CHANNEL, "no hash")
        await eventually(told, "any", 3)  # began, lost, began again
        await notified(database_url, CHANNEL, "ab" * 32)
        await eventually(told, "ab" * 32)
        await revocations.stop()

    asyncio.run(main())
