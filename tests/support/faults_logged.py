"""What is looked for in the log by tests that make so many requests that all of it would take memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from structlog import DropEvent
from structlog.testing import capture_logs
from structlog.typing import EventDict


@contextmanager
def faults_logged() -> Iterator[list[EventDict]]:
    """The entries that tell of errors of our own, while the block runs."""
    with capture_logs(processors=[_fault]) as logs:
        yield logs


def _fault(_: object, method: str, event: EventDict) -> EventDict:
    if method in ("error", "exception", "critical") or event.get("exc_info"):
        return event
    raise DropEvent
