"""Nothing acknowledged is lost and nothing is half there, whatever is killed, cut, paused or full.

The short form inflicts each of the main faults once. The long form, `make faults RUNS=1000`, goes on until that many
have been inflicted, prints the table of docs/reference/faults.md, and tells every violation at its end.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.campaign import Campaign
from tests.faults.injuries import FAULTS
from tests.faults.node import Node

RUNS = int(os.environ.get("HEALIX_FAULT_RUNS", "0"))
SEED = int(os.environ.get("HEALIX_FAULT_SEED", "1"))
REPORT = os.environ.get("HEALIX_FAULT_REPORT", "")
EACH, HASTE = 5, 0.3
"""Faults of one round of the long form, and the chance that one comes before the last is over."""

pytestmark = pytest.mark.faults


@pytest.mark.timeout(0 if RUNS else 300)
def test_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Under load from every side each fault leaves what was acknowledged, whole, and nothing in part."""
    node = Node(tmp_path / "data", workers=2 if RUNS else 1)
    node.start()
    campaign = Campaign(node, SEED)
    try:
        if not RUNS:
            campaign.round([fault for fault in FAULTS if fault.short])
        while campaign.done.total() < RUNS:
            campaign.round(campaign.chance.choices(FAULTS, [fault.weight for fault in FAULTS], k=EACH), HASTE)
            if REPORT:
                campaign.report(Path(REPORT))
        campaign.end()
    finally:
        node.stop()
    if REPORT:
        campaign.report(Path(REPORT))
    with capsys.disabled():
        if RUNS:
            print(f"\n{campaign.table()}\n")  # noqa: T201 - the table is what the long form is for
    assert campaign.violations == []
