"""Storing through the services, on a real database and disk."""

from __future__ import annotations

from pathlib import Path

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.local import LocalArchive
from dicomweb.study.receive import Receiver
from dicomweb.study.store import Disposition, deposit
from healix_fhir.kernel.database import Row
from smart_auth.access import internal
from tests.support.dicom import ct


def test_store_writes_all_levels(pool: ConnectionPool[Connection[Row]], tmp_path: Path) -> None:
    """One object makes a study, a series and an instance, an audit row and an event, and its blob is there."""
    archive = LocalArchive(tmp_path)
    incoming = Receiver(archive).begin()
    incoming.write(ct())
    out = deposit(pool, archive, internal("t"), [incoming.finish()], "STOW-RS")
    assert out[0].status is Disposition.STORED, out
    with pool.connection() as connection:
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM study), (SELECT count(*) FROM series), (SELECT count(*) FROM instance),"
            " (SELECT count(*) FROM audit_event), (SELECT count(*) FROM outbox)"
        ).fetchone()
    assert counts == (1, 1, 1, 1, 1)
