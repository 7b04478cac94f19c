"""A stream that is cut into fragments, as one piece: read anywhere, and copied with changes that leave its length."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

PIECE = 1 << 20


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """What stands from `at` on afterwards: `length` bytes, which repeat `fill`."""

    at: int
    length: int
    fill: bytes = b"\0"


@dataclass
class Whole:
    """The stream whose fragments lie in `source` at (position, length)."""

    source: BinaryIO
    fragments: Sequence[tuple[int, int]]
    starts: list[int] = field(init=False)
    length: int = field(init=False)

    def __post_init__(self) -> None:
        self.starts, self.length = [], 0
        for _, size in self.fragments:
            self.starts.append(self.length)
            self.length += size

    def read(self, at: int, count: int) -> bytes:
        """`count` bytes from `at` on, or as many as there are."""
        found = bytearray()
        end = min(at + count, self.length)
        while at < end:
            number = bisect_right(self.starts, at) - 1
            position, size = self.fragments[number]
            inside = at - self.starts[number]
            self.source.seek(position + inside)
            piece = self.source.read(min(size - inside, end - at))
            if not piece:
                break
            found += piece
            at += len(piece)
        return bytes(found)


def changed(piece: bytes, at: int, changes: Sequence[Change]) -> bytes:
    """The piece of a stream that stands at `at`, with what of the changes concerns it; they are in order, apart."""
    end = at + len(piece)
    first = max(bisect_right(changes, at, key=lambda one: one.at) - 1, 0)
    made = bytearray(piece)
    for one in _until(changes, first, end):
        start, stop = max(one.at, at), min(one.at + one.length, end)
        if start < stop:
            whole = one.fill * (one.length // len(one.fill))
            made[start - at : stop - at] = whole[start - one.at : stop - one.at]
    return bytes(made)


def _until(changes: Sequence[Change], first: int, end: int) -> Iterable[Change]:
    for number in range(first, len(changes)):
        if changes[number].at >= end:
            return
        yield changes[number]
