"""Structured logs on stderr: one line an event, without patient data.

Whoever logs takes `get_logger` from here, so that structlog is loaded in this one way. Of an exception the log has
types and places in the code, never its text, which may quote what a caller sent; nor has it the arguments of jobs.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any

_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]
# structlog loads rich where it is installed, to colour tracebacks: our lines are plain, and each process has 5 MB less
import structlog  # noqa: E402 - after the line that it is about
from structlog.contextvars import bind_contextvars, bound_contextvars  # noqa: E402 - as above

del sys.modules["rich"]
if _rich is not None:
    sys.modules["rich"] = _rich

get_logger = structlog.get_logger
__all__ = ["bind_contextvars", "bound_contextvars", "configure", "get_logger"]
ARGUMENTS = re.compile(r"\(.*\)", re.DOTALL)
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str, **bound: str) -> None:
    """Send structlog's and the libraries' logs to stderr from `level` on; `bound` values stand in every line."""
    threshold = LEVELS[level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _place,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # as it is when a line is written
    )
    structlog.contextvars.bind_contextvars(**bound)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Plain("%(asctime)s %(name)s %(message)s"))
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[handler])


def _place(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write down where an exception came from, in the place of `exc_info`."""
    given = event.pop("exc_info", None)
    error = sys.exception() if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = " < ".join(_told(error))
    return event


def _told(error: BaseException | None) -> Iterator[str]:
    """The type of an exception, its SQLSTATE, its places from the innermost; then those of its cause."""
    while error is not None:
        kind, state = type(error), getattr(error, "sqlstate", None)
        yield f"{kind.__module__}.{kind.__qualname__}" + (f" {state}" if state else "")
        places = [f"{frame.f_code.co_filename}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)]
        yield from reversed(places)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


class _Plain(logging.Formatter):
    """The same for the lines of libraries."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name of the method that it replaces
        """Where an exception came from."""
        return " < ".join(_told(ei[1]))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - as above
        """The line; jobs without their arguments."""
        if record.name.startswith("procrastinate"):
            record.message = ARGUMENTS.sub("(…)", record.message)
        return super().formatMessage(record)
