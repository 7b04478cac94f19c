"""Which consumers, jobs and schedules the job worker runs: the one place where the rooms are put together for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from psycopg import Connection

from healix_fhir.care import relationships
from healix_fhir.kernel.consume import Consumers
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.jobs import Task
from healix_fhir.kernel.settings import Settings

SCHEDULES = {"archive.sweep": "17 * * * *"}
"""Cron lines by task."""


def consumers(settings: Settings) -> Consumers:
    """The consumers of each outbox topic."""
    bases = (settings.fhir_base,)
    return {"resource": (relationships.consumer(bases),)}


def delivery(settings: Settings) -> Callable[[Connection[Row]], int]:
    """The step that sends due notifications."""
    return lambda connection: 0


def tasks(settings: Settings) -> Mapping[str, Task]:
    """The durable jobs by name."""
    return {}
