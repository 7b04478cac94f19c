"""Imports DICOM files in groups that share a transaction."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.blobs import Archive
from dicomweb.study.receive import Received, Receiver
from dicomweb.study.store import Disposition, deposit
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import HealixError
from healix_fhir.server.importing.report import Place, Report
from smart_auth.access import internal

GROUP = 50


class DicomImport:
    """Takes files as streams; `close` stores what is left of the last group."""

    def __init__(
        self, pool: ConnectionPool[Connection[Row]], archive: Archive, max_object: int, report: Report
    ) -> None:
        self._pool = pool
        self._archive = archive
        self._receiver = Receiver(archive, max_object=max_object)
        self._report = report
        self._access = internal("import")
        self._group: list[tuple[Place, Received]] = []

    def take(self, place: Place, content: Iterable[bytes]) -> None:
        """Import one file; `place` names it in the report."""
        incoming = self._receiver.begin()
        try:
            for piece in content:
                incoming.write(piece)
            self._group.append((place, incoming.finish()))
        except HealixError as error:
            incoming.abort()
            self._report.refuse(place, error)
        if len(self._group) >= GROUP:
            self.close()

    def close(self) -> None:
        """Store the last group."""
        group, self._group = self._group, []
        if not group:
            return
        outcomes = deposit(self._pool, self._archive, self._access, [received for _, received in group], "import")
        for (place, _), outcome in zip(group, outcomes, strict=True):
            if outcome.status is Disposition.REFUSED:
                self._report.reject(place, [outcome.message])
            else:
                duplicate = outcome.status is Disposition.DUPLICATE
                self._report.count(instances=not duplicate, duplicates=duplicate)
