"""Statements that take too long, told in the log: their text, and once in a while the plan that PostgreSQL has for it.

The text of a statement is composed from constants, and its values are bound, so neither text nor plan holds patient
data: the plan is asked for without values (`EXPLAIN (GENERIC_PLAN)`, from PostgreSQL 16 on). It may differ from the one
that was slow where that was made for its values.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from hashlib import blake2s

import psycopg

from healix_fhir.kernel.log import get_logger

AGAIN = 600.0
"""Seconds after which the plan of the same statement is told again."""
LONGEST = 8000
KNOWN = 1000
log = get_logger("slow")


class Watch:
    """What one process does about slow statements; nothing until it is told what is slow."""

    def __init__(self) -> None:
        self.seconds = float("inf")
        self.told: Callable[[], None] = lambda: None
        self._url = ""
        self._planned: dict[str, float] = {}

    def begin(self, url: str, seconds: float) -> None:
        """Tell of statements slower than `seconds`; plans are asked of the database of `url`."""
        self._url, self.seconds = url, seconds

    def tell(self, query: bytes | str, seconds: float) -> None:
        """Log a slow statement, and its plan where that was not told lately."""
        text = query if isinstance(query, str) else query.decode()
        digest = blake2s(text.encode(), digest_size=6).hexdigest()
        self.told()
        log.warning("slow statement", statement=digest, ms=round(seconds * 1000))
        now = time.monotonic()
        if now - self._planned.get(digest, -AGAIN) < AGAIN:
            return
        if len(self._planned) >= KNOWN:
            self._planned.clear()
        self._planned[digest] = now
        threading.Thread(target=self._explain, args=(digest, text), name="explain", daemon=True).start()

    def _explain(self, digest: str, text: str) -> None:
        """On a connection of its own: one that fails in the middle of a transaction would end that."""
        try:
            with psycopg.connect(self._url, autocommit=True) as connection, psycopg.RawCursor(connection) as cursor:
                found = cursor.execute(f"EXPLAIN (GENERIC_PLAN) {text}".encode()).fetchall()
                plan = "\n".join(row[0] for row in found)
        except psycopg.Error as error:
            plan = f"not to be had: {type(error).__name__}"
        log.warning("plan of a slow statement", statement=digest, sql=" ".join(text.split())[:LONGEST], plan=plan)


watch = Watch()
