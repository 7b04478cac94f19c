"""Imports DICOM files in groups that share a transaction; what became of each is remembered for the next start.

A group whose rows are stored and that is cut off before it is remembered is read again then, and found to be there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.opening import open_archive
from dicomweb.index.further import read
from dicomweb.study.outcome import Disposition, Duplicates, Outcome
from dicomweb.study.receive import Received, Receiver
from dicomweb.study.store import deposit
from healix_fhir.kernel.database import Row, at_once, one, open_pool
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.importing.journal import Became, Done, Todo, done, note
from healix_fhir.server.importing.report import reasons_of
from healix_fhir.server.importing.sources import CHUNK
from smart_auth.access import internal

GB = 1 << 30
READERS = 4
"""Files that a process brings to the disk at once: one waits for it most of the time."""
BECAME = {
    Disposition.STORED: Became.STORED,
    Disposition.REPLACED: Became.STORED,
    Disposition.DUPLICATE: Became.DUPLICATE,
    Disposition.KEPT: Became.REFUSED,
    Disposition.REFUSED: Became.REFUSED,
}


class DicomWriter:
    """Stores groups of files as the import `run`; keeps nothing from one group to the next."""

    def __init__(self, settings: Settings, pool: ConnectionPool[Connection[Row]], run: bytes) -> None:
        self._pool = pool
        self._archive = open_archive(settings)
        catalogue = read(settings.dicom_attributes)
        self._receiver = Receiver(self._archive, max_object=settings.max_store_gb * GB, catalogue=catalogue)
        self._run = run
        self._duplicates = Duplicates(settings.duplicates)
        self._access = internal("import")

    def __call__(self, files: Sequence[Todo]) -> list[Done]:
        """What became of `files`: each is stored or refused by itself. Raises Unavailable when storage is."""
        before = at_once(self._pool, done(self._run, files))
        files = [file for file in files if file.path not in before]
        with ThreadPoolExecutor(READERS) as threads:
            new = list(zip(files, threads.map(self._taken, [file.path for file in files]), strict=True))
        received = [taken for _, taken in new if isinstance(taken, Received)]
        outcomes = iter(self._deposit(received) if received else ())
        noted = []
        for file, taken in new:
            if isinstance(taken, Received):
                outcome = next(outcomes)
                reasons = [outcome.message] if outcome.message else []
                noted.append((file, Done(file.path, BECAME[outcome.status], reasons)))
            else:
                noted.append((file, Done(file.path, Became.REFUSED, taken)))
        if noted:
            at_once(self._pool, one(note(self._run, noted)))
        return [*before.values(), *(made for _, made in noted)]

    def _deposit(self, received: Sequence[Received]) -> list[Outcome]:
        return deposit(self._pool, self._archive, self._access, received, "import", self._duplicates)

    def _taken(self, path: Path) -> Received | list[str]:
        """A file in the archive, or why it is refused."""
        incoming = self._receiver.begin()
        try:
            with path.open("rb") as file:
                while piece := file.read(CHUNK):
                    incoming.write(piece)
            return incoming.finish()
        except OSError as error:
            return reasons_of(invalid(f"the file cannot be read: {type(error).__name__}"))
        except HealixError as error:
            if error.category in (Category.UNAVAILABLE, Category.FULL):
                raise
            return reasons_of(error)
        finally:
            incoming.abort()


@contextmanager
def opened(settings: Settings, run: bytes) -> Iterator[DicomWriter]:
    """A writer with a connection of its own."""
    with open_pool(settings.database_url, size=1) as pool:
        yield DicomWriter(settings, pool, run)
