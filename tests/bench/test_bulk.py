"""Bulk exports and imports: resources a second, and the memory of the process that does them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from healix_fhir.bulk import job as jobs
from healix_fhir.bulk.asked import Export, exported
from healix_fhir.bulk.imported import Import, Input
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import run
from smart_auth.access import AccessContext
from smart_auth.scope import parse
from tests.bench.web_servers import database
from tests.support.ndjson import write_charts

pytestmark = pytest.mark.bench

PATIENTS = 4000
AT_LEAST = 10_000
IMPORTED = 3_000
FLAT_MB = 200
PROGRAM = """
import json, resource, sys, time
from pathlib import Path
from healix_fhir.bulk.export import Exporter
from healix_fhir.bulk.store import LocalStore
from healix_fhir.kernel.database import open_pool
url, directory, id_ = sys.argv[1:]
with open_pool(url, size=2) as pool:
    started = time.perf_counter()
    Exporter(url, pool, LocalStore(Path(directory)), ("http://healix.test/fhir",), 1).export(id_)
    took = time.perf_counter() - started
print(json.dumps({"took": took, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""
"""An export in a process of its own, as the job worker does it: its time, and the most memory that it had in MB."""


IMPORT = """
import json, resource, sys, time
from pathlib import Path
from healix_fhir.bulk.store import LocalStore
from healix_fhir.kernel.database import open_pool
from healix_fhir.kernel.settings import load
from healix_fhir.server.importing.bulk import Importer
if __name__ == "__main__":
    url, directory, id_ = sys.argv[1:]
    settings = load({"database_url": url, "data_dir": directory})
    with open_pool(url, size=2) as pool:
        started = time.perf_counter()
        Importer(settings, pool, LocalStore(Path(directory))).run(id_)
        took = time.perf_counter() - started
    print(json.dumps({"took": took, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def filled(url: str, directory: Path) -> int:
    """Import charts; how many resources they have."""
    path = directory / "charts.ndjson"
    count = write_charts(path, PATIENTS)
    command = [sys.executable, "-m", "healix_fhir.server.cli.main", "import", str(path), "--data-dir", str(directory)]
    subprocess.run(command, env=os.environ | {"HEALIX_DATABASE_URL": url}, capture_output=True, check=True)
    return count


@pytest.mark.parametrize(
    "asked",
    [
        Export("system", exported("system")),
        Export("Patient", exported("Patient")),
        Export("Patient", ("Observation", "Patient"), organized=True),
        Export("system", ("Observation",), elements=(("", "subject"),)),
    ],
    ids=["system", "patients", "by patient", "elements"],
)
def test_export(tmp_path: Path, asked: Export, charts: tuple[str, int]) -> None:
    """10,000 resources a second or more come out, in no more memory than an export of little takes."""
    url, _ = charts
    access = AccessContext(parse("system/*.rs"), Origin(client="bench"))
    with psycopg.connect(url, autocommit=True) as connection:
        id_ = run(connection, jobs.begin(jobs.EXPORT, access, "", asked))
        arguments = [sys.executable, "-c", PROGRAM, url, str(tmp_path), id_]
        done = subprocess.run(arguments, capture_output=True, check=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        rows = connection.execute(
            "SELECT sum(count)::float8, sum(size)::float8 FROM bulk_file WHERE job = %s", (id_,)
        ).fetchall()
    ((count, size),) = rows
    what = f"{asked.level}{' by patient' * asked.organized}{' elements' * bool(asked.elements)}"
    print(f"\n{what}: {count:.0f} resources, {size / 1e6:.0f} MB in {found['took']:.1f} s: ", end="")
    print(f"{count / found['took']:,.0f}/s, {found['memory']:.0f} MB of memory")
    assert count / found["took"] >= AT_LEAST
    assert found["memory"] < FLAT_MB


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A database with charts, and the number of their resources."""
    directory = tmp_path_factory.mktemp("charts")
    with database(directory / "database") as url:
        yield url, filled(url, directory)


def test_import(tmp_path: Path) -> None:
    """3,000 resources a second or more go in, by two processes, statistics included; this one's memory stays flat."""
    charts = tmp_path / "charts.ndjson"
    count = write_charts(charts, PATIENTS // 2)
    inputs = []
    for type_name in ("Patient", "Encounter", "Observation"):
        directory = tmp_path / type_name
        directory.mkdir()
        head = f'{{"resourceType":"{type_name}"'.encode()
        with charts.open("rb") as file:
            (directory / jobs.UPLOADED).write_bytes(b"".join(line for line in file if line.startswith(head)))
        inputs.append(Input(type_name, type_name, type_name))
    asked = Import(tuple(inputs), types=("Patient", "Encounter", "Observation"))
    access = AccessContext(parse("system/*.cruds"), Origin(client="bench"))
    program = tmp_path / "program.py"
    program.write_text(IMPORT)
    with database(tmp_path / "database") as url, psycopg.connect(url, autocommit=True) as connection:
        id_ = run(connection, jobs.begin(jobs.IMPORT, access, "", asked))
        done = subprocess.run(
            [sys.executable, str(program), url, str(tmp_path), id_], capture_output=True, check=True, text=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
        stored = connection.execute("SELECT count(*) FROM resource").fetchone()
    print(f"\nimport: {count} resources in {found['took']:.1f} s: {count / found['took']:,.0f}/s, ", end="")
    print(f"{found['memory']:.0f} MB of memory")
    assert stored == (count,)
    assert count / found["took"] >= IMPORTED
    assert found["memory"] < FLAT_MB
