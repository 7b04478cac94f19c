"""Hears of revoked tokens from PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

from healix_fhir.kernel.listening import Listener
from smart_auth.store import CHANNEL

UNHEARD = "revocations are not heard; every token is looked up"


class Revocations:
    """Calls `forget` with the hash of each token that is announced, with None when any may have changed.

    `age` changes with each announcement, so that what was read before one is not remembered after it. `listening`
    is False while announcements may be missed.
    """

    def __init__(self, url: str, forget: Callable[[bytes | None], None]) -> None:
        self._forget = forget
        self._listener = Listener(url, CHANNEL, self._heard, began=self._began, lost=self._lost, unheard=UNHEARD)
        self.age = 0
        self.listening = False

    async def start(self) -> None:
        """Listen until `stop`, connecting again whenever the connection is lost."""
        self._listener.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._listener.stop()

    def _began(self) -> None:
        self._announce(None)
        self.listening = True

    def _lost(self) -> None:
        self.listening = False
        self._announce(None)

    def _heard(self, payload: str) -> None:
        self._announce(bytes.fromhex(payload) if payload else None)

    def _announce(self, hashed: bytes | None) -> None:
        self.age += 1
        self._forget(hashed)
