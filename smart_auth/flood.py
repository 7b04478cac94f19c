"""Which refusals have a row of their own in the audit trail, so that a flood of them does not fill the disk.

In each window `PER_ADDRESS` of one address have one, and `IN_ALL` of one process. What goes beyond is counted by
address and by what was refused, and each count is one row when the window ends: `GROUPS` of them, the rest together. A
window is `WINDOW` seconds; while floods last each is twice as long as the one before, up to `LONGEST`, and an address
that went beyond in the last one has no rows of its own.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from healix_fhir.kernel.audit import AuditRow, Origin
from smart_auth.denial import REFUSED
from smart_auth.network import network

WINDOW = 60.0
LONGEST = 480.0
PER_ADDRESS = 10
IN_ALL = 100
GROUPS = 50


class Group(NamedTuple):
    """What is counted together: the network of the callers, and what was refused them."""

    network: str
    subtype: str


class Flood:
    """The refusals of one process. Times are of a monotonic clock, in seconds; it is not safe for several threads."""

    def __init__(self, now: float) -> None:
        self._begun = now
        self._length = WINDOW
        self._seen: Counter[str] = Counter()
        self._left_out: Counter[Group] = Counter()
        self._others = 0
        self._flooding: frozenset[str] = frozenset()

    def rest(self, now: float) -> float:
        """How long the window goes on; not positive when it is over, and is to be turned over."""
        return self._begun + self._length - now

    @property
    def is_counting(self) -> bool:
        """Whether there are counts to be written when the window ends."""
        return bool(self._left_out)

    def admits(self, address: str | None, subtype: str) -> bool:
        """Whether a refusal has a row of its own; else it is counted."""
        caller = network(address)
        if self._seen.total() < IN_ALL and self._seen[caller] < PER_ADDRESS and caller not in self._flooding:
            self._seen[caller] += 1
            return True
        group = Group(caller, subtype)
        if group in self._left_out or len(self._left_out) < GROUPS:
            self._left_out[group] += 1
        else:
            self._others += 1
        return False

    def turn_over(self, now: float) -> list[AuditRow]:
        """Begin a new window: the rows of what was counted in the last one."""
        left_out, others, length = self._left_out, self._others, self._length
        self._flooding = frozenset(group.network for group in left_out)
        self._left_out, self._others = Counter(), 0
        self._length = min(self._length * 2, LONGEST) if left_out else WINDOW
        self._begun = now
        self._seen.clear()
        rows = [
            AuditRow(Origin(address=group.network or None), "E", group.subtype, REFUSED, query=_told(count, length))
            for group, count in left_out.items()
        ]
        if others:
            rows.append(AuditRow(Origin(), "E", "flood", REFUSED, query=_told(others, length)))
        return rows


def _told(count: int, seconds: float) -> str:
    return f"{count} further refusals within {seconds:.0f} s have no row of their own"
