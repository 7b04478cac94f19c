"""Which callers have an association at this moment: what a peer's own limit is measured by.

Counted in this process, by AE title: one process serves a port, and where several machines serve one clinic each has
its own limit. What one address may have, whatever it calls itself, is up to the gate.
"""

from __future__ import annotations

from threading import Lock


class Presence:
    """The associations of each AE title. Callers are told apart as objects, so entering twice is entering once."""

    def __init__(self) -> None:
        self._titles: dict[object, str] = {}
        self._lock = Lock()

    def enter(self, caller: object, title: str, most: int | None) -> bool:
        """Whether `caller` is among the first `most` of its title; if so it is there until it leaves."""
        with self._lock:
            others = sum(there == title for one, there in self._titles.items() if one is not caller)
            if most is not None and others >= most:
                return False
            self._titles[caller] = title
            return True

    def leave(self, caller: object) -> None:
        """Make room, where it had any."""
        with self._lock:
            self._titles.pop(caller, None)
