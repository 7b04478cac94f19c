"""A transport that sends what is written in one turn of the event loop with one system call.

uvicorn writes the head and the body of an answer one after the other, and uvloop sends each at once: two system calls,
two packets and two wake-ups of the reader for an answer of a kilobyte.
"""

from __future__ import annotations

import asyncio
from typing import Any

AT_ONCE = 65_536
"""Bytes from which nothing waits any more, so that the transport's own limits slow down who writes too fast."""


class JoinedWrites:
    """Stands before `transport`; whatever is not about writing goes straight to it."""

    __slots__ = ("_held", "_loop", "_size", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0
        self.is_closing = transport.is_closing  # asked with every answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send `data` in the next turn of the loop at the latest."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > AT_ONCE:
            self._flush()

    def write_now(self, head: bytes, body: bytes) -> None:
        """Send both, after which nothing follows in this turn, at once.

        What is large is not copied to stand behind its head: of half a megabyte that took longer than all else that is
        done for a frame, as the system has to find and clear memory for it.
        """
        if self._held:
            self.write(head)
            self.write(body)
        elif len(body) > AT_ONCE:
            self._transport.writelines((head, body))
        else:
            self._transport.write(b"".join((head, body)))

    def close(self) -> None:
        """Close when all that was written is sent."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            held, self._held, self._size = self._held, [], 0
            self._transport.writelines(held)
