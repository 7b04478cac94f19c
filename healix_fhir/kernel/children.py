"""Processes of a command's own, which leave Ctrl-C to the command."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def deaf() -> Iterator[None]:
    """Processes that are started within do not hear Ctrl-C, which reaches the whole group: the parent decides what it
    ends, and none of them says with a traceback where it was. The parent hears it when the block ends.
    """
    resource_tracker.ensure_running()  # as it starts it makes the signal heard again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
