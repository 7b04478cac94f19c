"""Recovery to a point in time, as docs/how-to/back-up.md says: by PostgreSQL's own means, with a real standby."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dicomweb.study.delete import delete
from dicomweb.study.purge import purge
from dicomweb.study.sweep import orphans
from healix_fhir.kernel import embedded
from healix_fhir.kernel.audit_verify import verify
from healix_fhir.kernel.database import open_pool, run
from healix_fhir.server.migrate import migrate
from tests.support.dicom import ct, uid
from tests.support.serve import wait_until
from tests.support.standby import base_backup, program, standby_directory
from tests.support.study import SYSTEM, open_store


@pytest.fixture
def standby() -> Iterator[Path]:
    """The directory of a standby, which is stopped at the end."""
    with standby_directory() as made:
        yield made


def test_a_standby_ends_before_the_mistake(tmp_path: Path, standby: Path) -> None:
    """Rows are those of the point, images with them; what came later is blobs without rows, and nothing dangles."""
    server = embedded.start(tmp_path / "primary")
    url = server.get_uri()
    socket = url.partition("host=")[2]
    migrate(url)
    base_backup(socket, standby, "mirror")
    with open_pool(url, size=2) as pool:
        store = open_store(pool, tmp_path / "images")
        store.add(ct(1, 1, 1, size=8))
        store.sql("SELECT pg_create_restore_point('before')")
        store.run(delete(SYSTEM, uid(1)))
        store.add(ct(2, 1, 1, size=8))
    with (standby / "postgresql.auto.conf").open("a") as settings:
        settings.write("recovery_target_name = 'before'\nrecovery_target_action = 'promote'\n")
        settings.write(f"unix_socket_directories = '{standby}'\nport = 5433\n")  # the lock of the other came with it
    program("pg_ctl", "-D", str(standby), "-o", "-c listen_addresses=", "-l", str(standby / "log"), "-w", "start")
    restored = f"postgresql://postgres:@/postgres?host={standby}&port=5433"
    with psycopg.connect(restored, autocommit=True) as connection:
        wait_until(lambda: connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,), "the promotion")
        found = connection.execute("SELECT instance_uid, blob FROM instance").fetchall()
        assert [one for one, _ in found] == [uid(1, 1, 1)]
        assert store.archive.has(found[0][1])
        assert run(connection, orphans(store.archive, age=-1)) == 1
        assert purge(connection, store.archive, 0) == 0
        assert verify(connection, []).problems == []
    server.cleanup()
