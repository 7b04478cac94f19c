"""Whole lists for the command line, of use cases that answer page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from smart_auth.administration.page import Listed

T = TypeVar("T")


def every(page: Callable[[str | None], Listed[T]]) -> Iterator[T]:
    """All lines; `page` finds those after a key."""
    after: str | None = None
    while True:
        found = page(after)
        yield from found.lines
        if found.next is None:
            return
        after = found.next
