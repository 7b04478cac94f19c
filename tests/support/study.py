"""Short ways to put objects into a study store and to look at what is left there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.blobs import Archive
from dicomweb.archive.local import LocalArchive
from dicomweb.study.outcome import Duplicates, Outcome
from dicomweb.study.receive import FileMeta, Received, Receiver
from dicomweb.study.store import deposit
from healix_fhir.kernel.database import Row, Work, transaction
from smart_auth.access import AccessContext, internal
from smart_auth.scope import parse

T = TypeVar("T")
SYSTEM = internal("test")
CHUNK = 65536


def caller(scope: str, *, pat: int | None = None, practitioner: str | None = None) -> AccessContext:
    """A caller with these scopes."""
    return AccessContext(parse(scope), pat=pat, patient="p" if pat else None, practitioner=practitioner)


@dataclass(frozen=True)
class Store:
    """A study store of one test."""

    pool: ConnectionPool[Connection[Row]]
    archive: Archive
    root: Path

    def receive(self, file: bytes, meta: FileMeta | None = None) -> Received:
        """Receive one object in pieces."""
        incoming = Receiver(self.archive).begin(meta)
        try:
            for start in range(0, len(file), CHUNK):
                incoming.write(file[start : start + CHUNK])
        except Exception:
            incoming.abort()
            raise
        return incoming.finish()

    def add(
        self, *files: bytes, access: AccessContext = SYSTEM, duplicates: Duplicates = Duplicates.REFUSE
    ) -> list[Outcome]:
        """Receive and store objects as one group."""
        received = [self.receive(file) for file in files]
        return deposit(self.pool, self.archive, access, received, "STOW-RS", duplicates)

    def run(self, work: Work[T]) -> T:
        """Run one use case in a transaction."""
        return transaction(self.pool, lambda: work)

    def sql(self, statement: str, *params: Any) -> list[Row]:
        """Rows of a statement."""
        with self.pool.connection() as connection:
            cursor = connection.execute(statement, params)
            return cursor.fetchall() if cursor.description else []

    def files(self) -> list[str]:
        """Every file in the archive, also those still coming in."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())


def open_store(pool: ConnectionPool[Connection[Row]], root: Path) -> Store:
    """A study store on a local archive below `root`."""
    return Store(pool, LocalArchive(root), root)
