"""Structured logs on stderr: one line an event, without patient data."""

from __future__ import annotations

import logging
import sys

import structlog

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
