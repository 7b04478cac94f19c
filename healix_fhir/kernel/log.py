"""Structured logs on stderr: one line an event, without patient data.

Whoever logs takes `get_logger` from here, so that structlog is loaded in this one way.
"""

from __future__ import annotations

import logging
import sys

_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]
# structlog loads rich where it is installed, to colour tracebacks: our lines are plain, and each process has 5 MB less
import structlog  # noqa: E402 - after the line that it is about
from structlog.contextvars import bound_contextvars  # noqa: E402 - as above

del sys.modules["rich"]
if _rich is not None:
    sys.modules["rich"] = _rich

get_logger = structlog.get_logger
__all__ = ["bound_contextvars", "configure", "get_logger"]
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str, **bound: str) -> None:
    """Send structlog's and the libraries' logs to stderr from `level` on; `bound` values stand in every line."""
    threshold = LEVELS[level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # as it is when a line is written
    )
    structlog.contextvars.bind_contextvars(**bound)
    logging.basicConfig(
        stream=sys.stderr, level=max(threshold, logging.WARNING), format="%(asctime)s %(name)s %(message)s"
    )
