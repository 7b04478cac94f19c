"""C-MOVE: how fast a study leaves to a third party, beside Orthanc."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.retrieved import both, sink
from tests.support.tools import require_tool

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]
AT_LEAST = 0.7


def test_move_rate(tmp_path: Path) -> None:
    """A study leaves at seven tenths of the rate of Orthanc at least, in alternating rounds."""
    with sink() as port, both(tmp_path, knows={"SINK": port}) as servers:
        add = [sys.executable, "-m", "healix_fhir.server.cli.main", "peer", "add", "SINK", "--host", "127.0.0.1"]
        options = ["--port", str(port), "--data-dir", str(tmp_path / "healix")]
        subprocess.run([*add, *options], check=True, capture_output=True)
        assert servers.ratio("C-MOVE", [require_tool("movescu"), "-aem", "SINK"]) >= AT_LEAST
