"""Nothing acknowledged is lost and nothing is half there, whatever is killed, cut, paused or full.

The short form inflicts each of the main faults once. The long form, `make faults RUNS=1000`, goes on until that many
have been inflicted, or it is stopped by SIGINT; it prints a line after each check and, at its end, the table of
docs/reference/faults.md and every violation.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from healix_fhir.kernel import embedded
from tests.faults.campaign import Campaign
from tests.faults.injuries import FAULTS
from tests.faults.node import Node
from tests.faults.proxy import before_database
from tests.faults.shim import Shim
from tests.support.s3 import Bucket
from tests.support.s3 import bucket as one_bucket

RUNS = int(os.environ.get("HEALIX_FAULT_RUNS", "0"))
SEED = int(os.environ.get("HEALIX_FAULT_SEED", "1"))
REPORT = os.environ.get("HEALIX_FAULT_REPORT", "")
KINDS = os.environ.get("HEALIX_FAULT_KINDS", "embedded,nodes,site").split(",")
EACH, HASTE = 20, 0.4
"""Faults of one round of the long form, and the chance that one comes before the last is over."""

pytestmark = pytest.mark.faults


@pytest.mark.timeout(0 if RUNS else 300)
@pytest.mark.parametrize("kind", KINDS if RUNS else ["embedded"])
def test_faults(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Under load from every side each fault leaves what was acknowledged, whole, and nothing in part: of a server with
    its own database, of two nodes that share a database, over connections that lose answers, and a bucket, and of a
    site that is kept in step with a central server.
    """
    if RUNS:  # which shells let processes in the background ignore
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with ExitStack() as stack:
        bucket = stack.enter_context(one_bucket()) if kind == "nodes" else None
        nodes = _on_one_database(stack, tmp_path, bucket) if bucket else [_alone(tmp_path / "here")]
        central = _alone(tmp_path / "central") if kind == "site" else None
        for node in [*nodes, *([central] if central else [])]:
            if REPORT:
                node.log = Path(f"{REPORT}-{node.log.name}")
            node.start()
            stack.callback(node.stop)
        campaign = Campaign(nodes, SEED, bool(RUNS), central, bucket)
        stack.callback(campaign.clients.end)
        if not RUNS:
            campaign.round([fault for fault in FAULTS if fault.short])
        with suppress(KeyboardInterrupt):
            while campaign.done.total() < RUNS // len(KINDS):
                campaign.round(campaign.chance.choices(FAULTS, [fault.weight for fault in FAULTS], k=EACH), HASTE)
                if REPORT:
                    campaign.report(Path(f"{REPORT}-{kind}.json"))
                _tell(capsys, f"{kind}: {campaign.tally()}")
        campaign.end()
    is_through = campaign.done.total() >= RUNS // len(KINDS)
    if RUNS:
        _tell(capsys, f"\n{kind}, seed {SEED}: {campaign.tally()}\n\n{campaign.table()}\n")
    assert campaign.violations == []
    if not is_through:
        pytest.exit("stopped")


def _tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Print figures, which are what the long form is for."""
    with capsys.disabled():
        print(text, flush=True)  # noqa: T201 - see above


def _alone(directory: Path) -> Node:
    """A server with its own database, whose disk and clock can fail where they can be made to."""
    directory.mkdir()
    node = Node(directory / "data", 1)
    with suppress(FileNotFoundError):
        node.shim = Shim(directory, node.data_dir / "images")
    return node


@contextmanager
def _revived(data_dir: Path) -> Iterator[None]:
    """Start the database again whenever it has ended, as long as the block runs."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            embedded.revive(data_dir)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _on_one_database(stack: ExitStack, directory: Path, bucket: Bucket) -> list[Node]:
    """Two nodes that share nothing but a bucket and a database, which they do not start and reach through a proxy."""
    data_dir, sockets = directory / "data", Path(stack.enter_context(TemporaryDirectory(prefix="healix-faults-")))
    database = embedded.start(data_dir)
    stack.callback(database.cleanup)
    stack.enter_context(_revived(data_dir))
    proxy = before_database(sockets, Path(database.get_uri().partition("host=")[2]))
    stack.callback(proxy.close)
    url = f"postgresql://postgres:@/postgres?host={sockets}"
    settings = {"database_url": url, "bulk_url": f"s3://{bucket.name}/bulk", **bucket.settings}
    return [
        Node(each, 1, settings, cut_off=[proxy.cut], database_dir=data_dir) for each in (data_dir, directory / "other")
    ]
