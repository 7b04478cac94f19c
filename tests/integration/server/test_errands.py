"""A running server does its errands: images go on, a modality is told though it was off and the worker killed."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom import dcmread

from dicomweb.dimse import peers
from dicomweb.errand.queue import Listed, retry, waiting
from dicomweb.routing.rules import Route, put
from healix_fhir.kernel.database import Row, transaction
from tests.bench.dimse_servers import free_port
from tests.support.commitment import CT, asking, information, modality
from tests.support.dicom import ct, uid
from tests.support.serve import serving, wait_until
from tests.support.storage_peers import storescp
from tests.support.study import SYSTEM
from tests.support.tools import require_tool

Pool = ConnectionPool[Connection[Row]]


def listens(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def left(pool: Pool) -> list[Listed]:
    """What is still to be done."""
    return transaction(pool, lambda: waiting(everything=False))


@pytest.mark.spec("PS3.4 J.3.3.1.2")
def test_errands_of_a_running_server(pool: Pool, database_url: str, tmp_path: Path) -> None:
    """A study goes to the route's peer by itself; a report waits for its modality, outlives the worker, and comes."""
    image, folder, listening = tmp_path / "image.dcm", tmp_path / "peer", free_port()
    image.write_bytes(ct(1, 1, 1, size=16))
    folder.mkdir()
    with serving(tmp_path / "data", "--workers", "1", database_url=database_url) as server, storescp(folder) as archive:
        transaction(pool, lambda: peers.add("CT1", "127.0.0.1", listening))
        transaction(pool, lambda: peers.add(archive.aet, archive.host, archive.port))
        transaction(pool, lambda: put(SYSTEM, Route("away", peer=archive.aet, callers=("CT1",), quiet=0)))
        wait_until(lambda: listens(server.dimse_port), "the DIMSE process")
        send = [require_tool("storescu"), "-aet", "CT1", "-aec", "HEALIX", "127.0.0.1", str(server.dimse_port)]
        subprocess.run([*send, str(image)], check=True, timeout=30)
        assert asking(server.dimse_port, information((CT, uid(1, 1, 1)))) == 0
        wait_until(lambda: [one.kind for one in left(pool) if one.attempts] == ["commitment"], "a report in vain")
        wait_until(lambda: len(left(pool)) == 1, "the study to be gone")
        (worker,) = server.children("worker")
        worker.kill()
        with modality(listening) as told:
            transaction(pool, lambda: retry(left(pool)[0].seq))
            wait_until(lambda: bool(told), "the report")
        assert told[0].committed == [uid(1, 1, 1)]
        wait_until(lambda: left(pool) == [], "the end of all errands")
        assert server.stop() == 0
    (sent,) = folder.iterdir()
    assert dcmread(sent).SOPInstanceUID == uid(1, 1, 1)
