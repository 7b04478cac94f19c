"""How many connections may stay open: in one process, and of one caller in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from healix_fhir.kernel.errors import Category, HealixError

Caller = tuple[str | None, str | None]
"""An app and a person, or an address without either."""
AGAIN = 60
"""Seconds after which who was refused may try again."""


@contextmanager
def counted(open_: Counter[Caller], who: Caller, *, most: int, most_of_one: int, kind: str) -> Iterator[None]:
    """Count a connection of a caller among those that are open while the block runs; `kind` is what they are called.

    Raises Busy where there are too many.
    """
    if open_.total() >= most or open_[who] >= most_of_one:
        message = f"there are too many {kind}; close one, or try again later"
        raise HealixError(Category.BUSY, message, retry_after=AGAIN)
    open_[who] += 1
    try:
        yield
    finally:
        open_[who] -= 1
        if not open_[who]:
            del open_[who]
