"""C-GET: how fast a study comes back over its association, beside Orthanc."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.retrieved import both
from tests.support.tools import require_tool

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
AT_LEAST = 0.7


def test_get_rate(tmp_path: Path) -> None:
    """A study comes back at seven tenths of the rate of Orthanc at least, in alternating rounds."""
    command = [require_tool("getscu"), "--ignore", "-pdu", "131072"]
    with both(tmp_path) as servers:
        assert servers.ratio("C-GET", command) >= AT_LEAST
