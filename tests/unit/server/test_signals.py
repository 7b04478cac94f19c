"""SIGTERM reaches a process whatever it is doing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import threading
from healix_fhir.server.processes import stop_on_signals
stopped = threading.Event()
stop_on_signals(stopped)
print("waiting", flush=True)
while not stopped.wait(0):
    pass
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_who_waits_for_it(number: signal.Signals) -> None:
    """Also when it comes while the main thread holds the lock of what it waits for."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"waiting\n"
            time.sleep(0.05)
            process.send_signal(number)
            assert process.wait(10) == 0
        finally:
            process.kill()
