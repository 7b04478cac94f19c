"""DICOM files in groups over several processes: each group goes to whoever is free.

Files of one study may be stored by two processes at once; the services of the store order that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

from healix_fhir.server.importing.journal import Became, Done, Todo
from healix_fhir.server.importing.report import Place, Report

GROUP_FILES = 50
GROUP_BYTES = 32 << 20
UNDER_WAY = 2
"""Groups for each worker that are handed out and not yet done: so none waits, and few are lost when one is killed."""

Worker = Callable[[Sequence[Todo]], list[Done]]


def store(files: Iterable[Todo], workers: Sequence[Worker], report: Report, advance: Callable[[int], None]) -> None:
    """Import `files` and put what became of them into `report`; `advance` is told how many bytes are done.

    Raises what stopped a worker, once the others have done what they were at.
    """
    free: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def call(group: Sequence[Todo]) -> list[Done]:
        worker = free.get()
        try:
            return worker(group)
        finally:
            free.put(worker)

    under_way: deque[tuple[Sequence[Todo], Future[list[Done]]]] = deque()

    def settle(left: int) -> None:
        while len(under_way) > left:
            group, future = under_way.popleft()
            for done in future.result():
                _count(report, done)
            advance(sum(file.size for file in group))

    with ThreadPoolExecutor(len(workers)) as threads:
        try:
            for group in groups(files):
                settle(UNDER_WAY * len(workers) - 1)
                under_way.append((group, threads.submit(call, group)))
            settle(0)
        finally:
            threads.shutdown(cancel_futures=True)


def groups(files: Iterable[Todo]) -> Iterator[list[Todo]]:
    """The files in groups of bounded number and size."""
    group: list[Todo] = []
    size = 0
    for file in files:
        group.append(file)
        size += file.size
        if len(group) >= GROUP_FILES or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _count(report: Report, done: Done) -> None:
    report.count(
        instances=done.became is Became.STORED, duplicates=done.became is Became.DUPLICATE, resumed=done.before
    )
    if done.became is Became.REFUSED:
        report.reject(Place(str(done.path)), done.reasons)
