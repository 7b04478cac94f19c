"""Forks of a process: what they return, how they end, and which signals reach them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import NoReturn

import psutil
import psycopg
import pytest

from healix_fhir.kernel.errors import invalid
from healix_fhir.server.forks import apart, fork
from tests.support.serve import wait_until


def test_what_it_returns() -> None:
    """What is done apart is done elsewhere, and its result comes back."""
    assert apart("work", os.getpid) != os.getpid()


def _refuse() -> NoReturn:
    raise invalid("HEALIX_PORT is odd")


def _lose() -> NoReturn:
    raise psycopg.OperationalError("gone")


def _crash() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@pytest.mark.parametrize(
    ("work", "code", "said"),
    [
        (_refuse, 1, "healix: HEALIX_PORT is odd\n"),
        (_lose, os.EX_TEMPFAIL, "healix: the database does not answer: gone\n"),
        (_crash, -signal.SIGKILL, ""),
    ],
)
def test_how_it_fails(work: object, code: int, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    """It has said why in a line, and whoever asked for it ends with the same exit code."""
    with pytest.raises(SystemExit) as ended:
        apart("work", work)  # type: ignore[arg-type]
    assert (ended.value.code, capfd.readouterr().err) == (code, said)


PROGRAM = """
import signal, time
from healix_fhir.server.forks import fork
signal.signal(signal.SIGTERM, lambda *_: None)
for _ in range(20):
    process = fork("work", lambda: time.sleep(60))
    process.terminate()
    process.join(30)
    assert process.exitcode == -signal.SIGTERM, process.exitcode
"""


def test_a_signal_at_once() -> None:
    """A fork that is asked to end as soon as it is there ends, though who forked takes the signal otherwise."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=120)


def test_its_title() -> None:
    """`ps` tells the parts apart."""
    process = fork("web-0", signal.pause)
    try:
        shown = psutil.Process(process.pid)
        wait_until(lambda: " ".join(shown.cmdline()).strip() == "healix web-0", "its title")
    finally:
        process.terminate()
        process.join()
