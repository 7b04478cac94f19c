"""Anchors of the audit trail's chain outside the database: lines of a file, and the same in the log.

Who rules the database can write the whole trail anew, chain and all. The anchors are what such a chain must agree with:
a file in the data directory, which a role of the database does not reach, and log lines, which may leave the machine.
Each node that runs a job worker keeps its own.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec

from healix_fhir.kernel.audit_chain import Block
from healix_fhir.kernel.clock import instant, now
from healix_fhir.kernel.log import get_logger

NAME = "audit-anchors.jsonl"
SECONDS = 10.0
"""Between two anchors at most, while there is something new."""
ROWS = 100_000
log = get_logger("audit")


class Anchor(msgspec.Struct, frozen=True):
    """What the chain was at a moment: the number, the total and the head of its last block."""

    block: int
    rows: int
    head: str
    at: str

    def agrees(self, block: Block) -> bool:
        """Whether `block` is what was anchored."""
        return (self.block, self.rows, self.head) == (block.number, block.total, block.head.hex())


class Anchors:
    """The anchors of one node, in the file `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        known = deque(read(path), maxlen=1)
        self.last: Anchor | None = known[0] if known else None
        self._next = 0.0

    def due(self, tip: Block) -> bool:
        """Whether `tip` is to be anchored now."""
        if self.last is not None and self.last.block == tip.number:
            return False
        rows = self.last.rows if self.last else 0
        return tip.number > 0 and (time.monotonic() >= self._next or tip.total - rows >= ROWS)

    def add(self, tip: Block) -> None:
        """Anchor `tip`: it is on the disk when this returns."""
        anchor = Anchor(tip.number, tip.total, tip.head.hex(), instant(now()))
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(msgspec.json.encode(anchor) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        log.info("audit anchor", block=anchor.block, rows=anchor.rows, head=anchor.head)
        self.last = anchor
        self._next = time.monotonic() + SECONDS


def read(path: Path) -> Iterator[Anchor]:
    """The anchors of a file, oldest first; none when there is no file. A line that a crash cut off is passed over."""
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            start = line.rfind(b"{")  # the line after one that was cut off
            try:
                yield msgspec.json.decode(line[max(start, 0) :], type=Anchor)
            except msgspec.MsgspecError:
                log.warning("a damaged audit anchor is passed over", path=str(path))
