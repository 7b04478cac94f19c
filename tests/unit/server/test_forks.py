"""Forks of a process, and the interpreters that stand in for them on macOS: what they return, how they end, and which
signals reach them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from multiprocessing import get_context
from typing import NoReturn

import psutil
import psycopg
import pytest

from healix_fhir.kernel.errors import invalid
from healix_fhir.server import forks
from healix_fhir.server.forks import apart, fork
from tests.support.serve import wait_until


@pytest.fixture(params=["fork", "spawn"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "context", get_context(request.param))


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
import signal, sys
from multiprocessing import get_context
from healix_fhir.server import forks
forks.context = get_context(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: None)
for _ in range(int(sys.argv[2])):
    process = forks.fork("work", signal.pause)
    process.terminate()
    process.join(30)
    assert process.exitcode == -signal.SIGTERM, process.exitcode
"""


def test_a_signal_at_once() -> None:
    """A fork that is asked to end as soon as it is there ends, though who forked takes the signal otherwise."""
    way = forks.context.get_start_method()
    times = "20" if way == "fork" else "2"
    subprocess.run([sys.executable, "-c", PROGRAM, way, times], check=True, timeout=120)


def test_its_title() -> None:
    """`ps` tells the parts apart."""
    process = fork("web-0", signal.pause)
    try:
        shown = psutil.Process(process.pid)
        wait_until(lambda: " ".join(shown.cmdline()).strip() == "healix web-0", "its title")
    finally:
        process.terminate()
        process.join()
