"""The study services beside the least that could be done: bare files for storing, pydicom for parsing."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom.data import get_testdata_file

from dicomweb.index.attributes import INDEXED
from dicomweb.study.outcome import Disposition
from healix_fhir.kernel.database import Row
from tests.support.dicom import ct
from tests.support.study import Store, open_store
from tests.support.walk import header_of

pytestmark = pytest.mark.bench

ROUNDS, OBJECTS, GROUP, THREADS = 5, 120, 10, 4


def bare(directory: Path, file: bytes, name: str) -> None:
    """Write, fsync, rename, fsync the directory."""
    path = directory / f"{name}.tmp"
    with path.open("xb", buffering=0) as opened:
        opened.write(file)
        os.fsync(opened.fileno())
    path.rename(directory / name)
    descriptor = os.open(directory, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _store(threads: ThreadPoolExecutor, store: Store, files: list[bytes]) -> None:
    groups = [files[at : at + GROUP] for at in range(0, OBJECTS, GROUP)]
    for outcomes in threads.map(lambda group: store.add(*group), groups):
        assert all(outcome.status is Disposition.STORED for outcome in outcomes)


def _write(threads: ThreadPoolExecutor, directory: Path, files: list[bytes], prefix: str) -> None:
    names = [f"{prefix}-{number}" for number in range(OBJECTS)]
    list(threads.map(bare, [directory] * OBJECTS, files, names))


def test_ingest(pool: ConnectionPool[Connection[Row]], tmp_path: Path) -> None:
    """Objects a second through the services, in groups from four threads, beside bare durable files."""
    pool.resize(THREADS, THREADS)
    store = open_store(pool, tmp_path / "images")
    plain = tmp_path / "plain"
    plain.mkdir()
    ours, theirs = [], []
    with ThreadPoolExecutor(THREADS) as threads:
        for number in range(ROUNDS):
            files = [ct(number + 1, 1, n) for n in range(OBJECTS)]
            ours.append(OBJECTS / timed(partial(_store, threads, store, files)))
            theirs.append(OBJECTS / timed(partial(_write, threads, plain, files, str(number))))
    rate, least = statistics.median(ours), statistics.median(theirs)
    print(f"\ningest {rate:.0f}/s, bare files {least:.0f}/s: {rate / least:.0%}")
    assert store.sql("SELECT count(*) FROM instance") == [(ROUNDS * OBJECTS,)]


@pytest.mark.parametrize("name", ["a CT of 30 elements", "CT_small.dcm"])
def test_walker(name: str) -> None:
    """Microseconds an object from bytes to DICOM JSON, by the tag walker and by pydicom."""
    path = get_testdata_file(name) if name.endswith(".dcm") else None
    file = Path(str(path)).read_bytes() if path else ct()

    def reference() -> None:
        pydicom.dcmread(BytesIO(file)).to_json_dict(
            bulk_data_threshold=1024, bulk_data_element_handler=lambda _: "bulk"
        )

    ours = statistics.median(timed(lambda: header_of(file, INDEXED)) for _ in range(200))
    theirs = statistics.median(timed(reference) for _ in range(30))
    print(f"\n{name}: {ours * 1e6:.0f} us, pydicom {theirs * 1e6:.0f} us")
    assert ours < theirs / 5
