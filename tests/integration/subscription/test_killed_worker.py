"""A job worker that is killed loses nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.subscription.conftest import Notified, observation
from tests.support import forked
from tests.support.receiver import Receiver
from tests.support.topics import to_topic, told

EVENTS = 30
PATIENCE = 60.0


@contextmanager
def worker(url: str, directory: Path) -> Iterator[forked.Process]:
    """A job worker, as `healix worker` starts it; killed when the block ends, whatever it does."""
    settings = {"HEALIX_DATABASE_URL": url, "HEALIX_SUBSCRIPTION_ALLOW_PRIVATE": "true"}
    process = forked.begin(("worker", "--data-dir", str(directory)), env=os.environ | settings)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def until(receiver: Receiver, count: int) -> list[int]:
    """Wait for so many events; their numbers as they came."""
    deadline = time.monotonic() + PATIENCE
    while True:
        heard = [told(one.body) for one in list(receiver.seen)]
        numbers = [number for one in heard for number, _ in one["events"]]
        if len(set(numbers)) >= count:
            return numbers
        assert time.monotonic() < deadline, numbers
        time.sleep(0.02)


def test_a_killed_worker_loses_nothing(clinic: Notified, receiver: Receiver, database_url: str, tmp_path: Path) -> None:
    """Killed while it delivers, its successor goes on: every event arrives, in order, and what comes twice has its
    number.
    """
    clinic.write(to_topic(channel={"endpoint": receiver.url}, most=1) | {"id": "s"})
    receiver.pause = 0.03
    for n in range(EVENTS):
        clinic.write(observation(f"o{n}"))
    with worker(database_url, tmp_path):
        until(receiver, EVENTS // 3)
    with clinic.pool.connection() as connection:
        connection.execute("UPDATE subscription SET leased = now()")  # as it is a while after the death of its holder
    assert clinic.waiting() > 0
    with worker(database_url, tmp_path):
        numbers = until(receiver, EVENTS)
    assert list(dict.fromkeys(numbers)) == list(range(1, EVENTS + 1))
