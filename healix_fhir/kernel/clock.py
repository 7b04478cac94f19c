"""The server's clock, in one place so that tests can set it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def now() -> datetime:
    """The current instant in UTC, cut to milliseconds: the precision that FHIR instants are served with."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@lru_cache(maxsize=1024)  # those of a group of writes, and each in body and header
def instant(moment: datetime) -> str:
    """`moment` as a FHIR instant in UTC, always with milliseconds, e.g. `2026-01-02T03:04:05.678Z`."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)  # the database answers in its session's time zone
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"
