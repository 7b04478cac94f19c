"""Which children end `healix serve` by ending right after their start, and which are started again for ever."""

from __future__ import annotations

import os
import threading
import time
from multiprocessing.context import ForkProcess
from typing import cast

import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.server.processes import ATTEMPTS, Child, Supervisor


class Ended:
    """A process that has ended."""

    def __init__(self, exitcode: int) -> None:
        self.exitcode = exitcode


def restarted(code: int, times: int) -> None:
    """Let a supervisor find a child ended with this code right after its start, so many times."""
    stopped = threading.Event()
    stopped.set()  # it neither waits nor starts anything
    child = Child("part", lambda: None)
    supervisor = Supervisor([child])
    for _ in range(times):
        child.process, child.started = cast("ForkProcess", Ended(code)), time.monotonic()
        supervisor._restart(child, stopped)


def test_what_ends_of_itself() -> None:
    """A part that ends of itself is given up: it will not do better the next time."""
    with pytest.raises(HealixError, match=f"part ended {ATTEMPTS} times right after its start, with code 1"):
        restarted(1, ATTEMPTS)


@pytest.mark.parametrize("code", [-9, os.EX_TEMPFAIL])
def test_what_others_do_to_it(code: int) -> None:
    """A part that is killed, or finds no database, is started again however often: others are served meanwhile."""
    restarted(code, 4 * ATTEMPTS)
