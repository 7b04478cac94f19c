"""Ingest into a store of a million instances, beside one of ten thousand: it must not grow slower as the store grows.

`HEALIX_BENCH_INSTANCES` sets how many there are. Rows are put in by COPY; each database is served by a DIMSE process of
its own, and both are sent the same loads in turns.
"""

from __future__ import annotations

import os
import statistics
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.bench.dimse_servers import Target, healix
from tests.bench.storing import SMALL, load, seconds
from tests.bench.web_servers import database
from tests.support.studies_at_scale import fill

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1200)]
MANY = int(os.environ.get("HEALIX_BENCH_INSTANCES", "1000000"))
FEW = 10_000
EACH_STUDY = 100
ROUNDS = 7
ASSOCIATIONS, FILES = 4, 100
AT_LEAST = 0.8


def served(stack: ExitStack, directory: Path, instances: int) -> Target:
    """A server with so many instances."""
    directory.mkdir()
    url = stack.enter_context(database(directory / "database"))
    with psycopg.connect(url, autocommit=True) as connection:
        fill(connection, studies=instances // EACH_STUDY, instances=EACH_STUDY)
        connection.execute("CHECKPOINT")
    return stack.enter_context(healix(directory / "data", url=url))


def test_ingest_does_not_grow_slower(tmp_path: Path) -> None:
    """At a million instances the rate is within a fifth of that at ten thousand."""
    with ExitStack() as stack:
        targets = {count: served(stack, tmp_path / str(count), count) for count in (FEW, MANY)}
        rates: dict[int, list[float]] = {FEW: [], MANY: []}
        for turn in range(ROUNDS + 1):  # the first one warms up
            sent = load(tmp_path, ASSOCIATIONS, each=FILES, side=SMALL)
            for count, target in targets.items():
                os.sync()
                rates[count] += [sent.count / seconds(target, sent)][: 1 if turn else 0]
    few, many = (statistics.median(rates[count]) for count in (FEW, MANY))
    print(f"\ningest at {FEW} instances {few:.0f}/s, at {MANY} {many:.0f}/s, ratio {many / few:.2f}", end="")
    print(f"; rounds { {count: [round(one) for one in all_] for count, all_ in rates.items()} }")
    assert many >= AT_LEAST * few
