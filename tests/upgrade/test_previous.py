"""What makes nodes replaceable one by one: an earlier version works on the schema of this one, alone and beside it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psycopg
import pytest

from healix_fhir.kernel import embedded
from healix_fhir.server.migrate import current, head
from tests.faults.campaign import Campaign
from tests.faults.injuries import Fault
from tests.faults.node import Node
from tests.support.s3 import bucket as one_bucket
from tests.support.serve import HEALIX, PATIENCE, environment

pytestmark = pytest.mark.long

HERE = Path(__file__).resolve().parents[2]
OF_THE_SCHEMA = ("test_migrations.py", "test_support.py", "server/test_migrate.py", "backup", "server", "doctor")
"""Tests of the earlier version that state what its own schema is, or look at how it is made."""


@pytest.fixture
def previous() -> Path:
    """The directory of the earlier version, installed there (tests/upgrade/check-out)."""
    return Path(os.environ["HEALIX_PREVIOUS"]).resolve()


@pytest.mark.timeout(0)
def test_its_tests_pass_on_this_schema(previous: Path) -> None:
    """What the earlier version does with rows, it does on the later schema as well."""
    tests = os.environ.get("HEALIX_PREVIOUS_TESTS", "tests/integration").split()
    ignored = [f"--ignore=tests/integration/{name}" for name in OF_THE_SCHEMA]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HEALIX_")}
    command = [str(previous / ".venv/bin/python"), "-m", "pytest", "-q", "-p", "no:randomly", *tests, *ignored]
    later = {"LATER_PYTHON": sys.executable, "LATER_ROOT": str(HERE), "PYTHONPATH": str(HERE / "tests/upgrade/later")}
    done = subprocess.run(
        [*command, "-m", "not bench and not long", "-p", "no:cacheprovider"],
        cwd=previous,
        env=plain | later,
        check=False,
    )
    assert done.returncode == 0


@pytest.mark.timeout(0)
def test_nodes_are_replaced_one_by_one(previous: Path, tmp_path: Path) -> None:
    """Two nodes under load: the schema is migrated, a node of the earlier version is started again on it, and both are
    replaced in turn. Nothing that was acknowledged is lost, and nobody is answered 5xx but 503.
    """
    earlier = (str(previous / ".venv/bin/python"), *HEALIX[1:])
    data_dir = tmp_path / "data"
    with ExitStack() as stack:
        database = embedded.start(data_dir)
        stack.callback(database.cleanup)
        url = database.get_uri()
        bucket = stack.enter_context(one_bucket())
        settings = {"database_url": url, "bulk_url": f"s3://{bucket.name}/bulk", **bucket.settings}
        nodes = [
            Node(directory, 1, settings, database_dir=data_dir, program=earlier)
            for directory in (data_dir, tmp_path / "other")
        ]
        for node in nodes:
            node.start()
            stack.callback(node.stop)
        campaign = Campaign(nodes, 1, bucket=bucket)
        before = _schema(url)
        restart, migrate, replace = (
            Fault(name, act, 1)
            for name, act in (
                ("a node started again", _restarted),
                ("the schema migrated", partial(_migrated, url)),
                ("a node replaced", _replaced),
            )
        )
        for fault, number in [(migrate, 0), (restart, 0), (replace, 1), (restart, 0), (replace, 0), (restart, 1)]:
            campaign.victims = [nodes[number]]
            campaign.round([fault])
        campaign.end()
        assert before <= _schema(url) == head()
    assert campaign.violations == []


def _schema(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        return current(connection) or ""


def _restarted(node: Node, _: random.Random) -> int:
    node.stop()
    node.start()
    return 1


def _replaced(node: Node, chance: random.Random) -> int:
    node.program = HEALIX
    return _restarted(node, chance)


def _migrated(url: str, node: Node, _: random.Random) -> int:
    """`healix migrate` of this version, while nodes of the earlier one serve."""
    command = [*HEALIX, "migrate", "--data-dir", str(node.data_dir)]
    subprocess.run(command, env=environment(database_url=url), check=True, timeout=PATIENCE, cwd=node.data_dir.parent)
    return 1
