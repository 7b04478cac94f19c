"""Password hashing: argon2id with OWASP's parameters, in a few threads of its own.

A hash takes about 25 ms and 19 MB; the threads bound what logins may take of the machine, the queue what may wait. They
run at a low priority, so that what other people read and write comes first.

Spec: OWASP Password Storage Cheat Sheet (2024), argon2id m=19456 t=2 p=1; NIST SP 800-63B-4 3.1.1.2
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar
from unicodedata import normalize

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from healix_fhir.kernel.errors import Category, HealixError

T = TypeVar("T")

LONGEST = 256
THREADS = 2
WAITING = 32
NICE = 10


def hash_password(password: str) -> str:
    """The argon2id hash of a password, in PHC form; that it may be chosen is checked before (account/rules.py)."""
    return _hasher().hash(normal(password))


def normal(password: str) -> str:
    """The one form of what is the same to the eye, whatever keyboard it was typed on."""
    return normalize("NFKC", password)


def matches(password: str, hashed: str | None) -> bool:
    """Whether `password` belongs to `hashed`; takes as long when there is no such account (None)."""
    password = normal(password[: LONGEST + 1])
    correct = _hasher().verify(password[:LONGEST], hashed if hashed is not None else _nobody())
    return correct and hashed is not None and len(password) <= LONGEST


class Verifier:
    """Checks passwords off the event loop, `THREADS` at once."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="password", initializer=_give_way)
        self._waiting = 0

    async def matches(self, password: str, hashed: str | None) -> bool:
        """As `matches`. Raises Busy when too many wait already."""
        return await self.run(matches, password, hashed)

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Whatever else takes as long as a hash. Raises Busy when too many wait already."""
        if self._waiting >= WAITING:
            raise HealixError(Category.BUSY, "too many people log in at this moment; try again", retry_after=5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)


def _give_way() -> None:
    """Let other threads come first; Linux has priorities of threads, elsewhere this would be that of the process."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


@cache
def _hasher() -> PasswordHash:
    return PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19456, parallelism=1),))


@cache
def _nobody() -> str:
    """The hash of a password that nobody has."""
    return _hasher().hash("\0nobody")
