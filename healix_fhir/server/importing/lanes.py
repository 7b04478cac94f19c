"""Lines of NDJSON over several lanes, each with a process of its own.

What takes the time of an import is computing: checking resources and extracting their index rows. A lane checks,
extracts and writes whole groups of lines. Lines about one resource go down one lane, so that the last one wins as in
the file. Each lane has few groups under way, which bounds what is in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Protocol
from zlib import crc32

from healix_fhir.server.importing.lines import Line, Written
from healix_fhir.server.importing.report import Place

GROUP_LINES = 500
GROUP_BYTES = 1 << 20
UNDER_WAY = 2


class Tally(Protocol):
    """Takes what became of lines."""

    def count(self, *, resources: int) -> None:
        """So many were stored."""
        ...

    def reject(self, place: Place, reasons: Sequence[str]) -> None:
        """One was not."""
        ...


class Writer(Protocol):
    """Writes groups of lines, here or in another process."""

    def write(self, lines: Sequence[Line]) -> Written:
        """Write `lines`; durable on return."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class Lanes:
    """Takes lines and tells `report` what became of them. As a context it waits for groups under way at its end."""

    def __init__(self, writers: Sequence[Writer], report: Tally) -> None:
        self._lanes = [_Lane(writer, report) for writer in writers]

    def take(self, key: str, place: Place, body: bytes) -> None:
        """Import one line; lines with the same `key` keep their order."""
        self._lanes[crc32(key.encode()) % len(self._lanes)].take(place, body)

    def drain(self) -> None:
        """Return when everything taken is written."""
        for lane in self._lanes:
            lane.send()
        for lane in self._lanes:
            lane.settle(0)

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for lane in self._lanes:
            lane.close()


class _Lane:
    """One writer, the group that is gathered for it, and its groups under way, oldest first."""

    def __init__(self, writer: Writer, report: Tally) -> None:
        self._writer = writer
        self._report = report
        self._thread = ThreadPoolExecutor(1)
        self._under_way: deque[Future[Written]] = deque()
        self._group: list[Line] = []
        self._size = 0

    def take(self, place: Place, body: bytes) -> None:
        self._group.append((place, body))
        self._size += len(body)
        if len(self._group) >= GROUP_LINES or self._size >= GROUP_BYTES:
            self.send()

    def send(self) -> None:
        """Send the gathered group on its way, after an older one has arrived when too many are under way."""
        self.settle(UNDER_WAY - 1)
        if self._group:
            self._under_way.append(self._thread.submit(self._writer.write, self._group))
            self._group, self._size = [], 0

    def settle(self, left: int) -> None:
        """Wait until at most `left` groups are under way; raises what stopped one."""
        while len(self._under_way) > left:
            written = self._under_way.popleft().result()
            self._report.count(resources=written.resources)
            for place, reasons in written.refused:
                self._report.reject(place, reasons)

    def close(self) -> None:
        """Give up what has not begun, and wait for what has."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._writer.close()
