"""`healix import` of NDJSON with two processes, as an operator runs it, its start included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bench.web_servers import database
from tests.support.ndjson import write_charts

pytestmark = pytest.mark.bench

PATIENTS = 2000
AT_LEAST = 3000


def test_ndjson(tmp_path: Path) -> None:
    """Patients, Encounters and Observations are imported at 3,000 a second or more, with fsync."""
    path = tmp_path / "charts.ndjson"
    count = write_charts(path, PATIENTS)
    options = ["--data-dir", str(tmp_path / "data"), "--processes", "2"]
    command = [sys.executable, "-m", "healix_fhir.server.cli.main", "import", str(path), *options]
    with database(tmp_path / "database") as url:
        started, used = time.perf_counter(), os.times()
        done = subprocess.run(command, env=os.environ | {"HEALIX_DATABASE_URL": url}, capture_output=True, check=False)
        took, after = time.perf_counter() - started, os.times()
    assert done.returncode == 0, done.stderr[-500:]
    assert json.loads(done.stdout)["resources"] == count
    cpu = after.children_user + after.children_system - used.children_user - used.children_system
    print(f"\nhealix import of {count} resources, {path.stat().st_size / 1e6:.0f} MB: {took:.1f} s, ", end="")
    print(f"{count / took:,.0f} resources/s; {cpu / count * 1e6:.0f} us of Python's CPU time each")
    assert count / took >= AT_LEAST
