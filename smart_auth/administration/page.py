"""A page of a list, and where the next one begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
PAGE = 25


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """The lines of a page; `next` is the key of its last line, where there are more."""

    lines: tuple[T, ...]
    next: str | None


def listed(found: Sequence[T], key: Callable[[T], str]) -> Listed[T]:
    """The page that begins with `found`, of which one more than a page was asked for."""
    lines = tuple(found[:PAGE])
    return Listed(lines, key(lines[-1]) if len(found) > PAGE else None)
