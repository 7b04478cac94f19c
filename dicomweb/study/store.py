"""Storing received objects: rows, counters, audit and outbox of a whole group in one transaction.

Callers use `deposit` (threads) or `adeposit` (event loop), which also remove the blobs that got no rows.
Spec: PS3.18 10.5, PS3.4 B (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from psycopg import AsyncConnection, Connection
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from dicomweb.archive.blobs import Archive
from dicomweb.status import Reason
from dicomweb.study.receive import Received
from healix_fhir.kernel.database import Row, Work
from smart_auth.access import AccessContext


class Disposition(Enum):
    """What became of one object."""

    STORED = "stored"
    DUPLICATE = "duplicate"  # the identical object was there already: accepted, nothing changed
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one received object; `reason` and `message` are set when it was refused."""

    sop_class: str
    sop_instance: str
    study: str
    series: str
    status: Disposition
    reason: Reason | None = None
    message: str = ""


def deposit(
    pool: ConnectionPool[Connection[Row]],
    archive: Archive,
    access: AccessContext,
    received: Sequence[Received],
    source: str,
) -> list[Outcome]:
    """Store a group of objects in one transaction and settle their blobs; outcomes in the order of `received`.

    `source` names the service for the audit trail: `C-STORE`, `STOW-RS`, `import`. Raises Forbidden when `access` may
    not store at all.
    """
    raise NotImplementedError


async def adeposit(
    pool: AsyncConnectionPool[AsyncConnection[Row]],
    archive: Archive,
    access: AccessContext,
    received: Sequence[Received],
    source: str,
) -> list[Outcome]:
    """`deposit` for the event loop."""
    raise NotImplementedError


def store(access: AccessContext, received: Sequence[Received], source: str) -> Work[list[Outcome]]:
    """The use case itself: one transaction, a fixed number of statements, outcomes in the order of `received`."""
    raise NotImplementedError
