"""`healix serve` as its operator runs it: a process of its own, on free ports and a data directory of its own. Unless
the program's own start is what is tested, that process is forked from one that has loaded the program.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support import forked
from tests.support.plain import NO_TLS

HEALIX = (sys.executable, "-m", "healix_fhir.server.cli.main")
PATIENCE = 60.0
ROLES = ("web", "dimse", "worker")
CHANCE = random.SystemRandom()
"""Others look for ports at the same time, with the same seed."""


@dataclass(frozen=True)
class Served:
    """A running server. `seconds` is the time from its start until `/readyz` said yes."""

    process: forked.Process
    data_dir: Path
    port: int
    dimse_port: int
    log: Path
    seconds: float

    @property
    def url(self) -> str:
        """The server's root without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def demo_token(self) -> str:
        """The token that a start with `--demo` printed."""
        wait_until(lambda: "Token " in self.log.read_text(), "the printed token")
        line = next(line for line in self.log.read_text().splitlines() if line.startswith("  Token "))
        return line.split()[1]

    def client(self, token: str | None = None) -> httpx.Client:
        """An HTTP client for the server's root."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=NO_TLS)

    def token(self, scope: str) -> str:
        """A new access token from `healix token create`."""
        done = healix(self.data_dir, "token", "create", "--scope", scope)
        return str(json.loads(done.stdout)["access_token"])

    def children(self, role: str | None = None) -> list[psutil.Process]:
        """The living child processes, all or those of one role."""
        wanted = (role,) if role else ROLES
        return [child for child in psutil.Process(self.process.pid).children() if _role(child) in wanted]

    def postmaster(self) -> psutil.Process:
        """The embedded database's first process."""
        return psutil.Process(int((self.data_dir / "postgres/postmaster.pid").read_text().split()[0]))

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def serving(data_dir: Path, *options: str, program: Sequence[str] = (), **settings: Any) -> Iterator[Served]:
    """Serve `data_dir` until the block ends; `settings` go into the environment. A `program` is started itself."""
    port, dimse_port = free_ports(2)
    log = data_dir.parent / f"{data_dir.name}-{port}.log"
    ports = ("--port", str(port), "--dimse-port", str(dimse_port))
    started = time.monotonic()
    words = ("serve", "--data-dir", str(data_dir), *ports, *options)
    process = _started(program, words, environment(**settings), log)
    try:
        wait_until(lambda: process.poll() is not None or ready(port), "the server to be ready")
        assert process.poll() is None, log.read_text()
        yield Served(process, data_dir, port, dimse_port, log, time.monotonic() - started)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One `healix serve --demo` for every test that only asks it, started by the first of them."""
    with serving(tmp_path_factory.mktemp("served") / "data", "--demo") as server:
        yield server


@pytest.fixture(scope="session")
def set_up(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a data directory with an empty database, named after what it is for: a copy, since the first start of a
    server is not what is tested and takes several times as long.
    """
    first = tmp_path_factory.mktemp("set-up") / "data"
    done = healix(first, "migrate")
    assert done.returncode == 0, done.stderr

    def copied(name: str) -> Path:
        data_dir = tmp_path_factory.mktemp(name) / "data"
        subprocess.run(["cp", "-a", str(first), str(data_dir)], check=True)  # with the owner of the database
        return data_dir

    return copied


def healix(data_dir: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run one command of the operator's on `data_dir`."""
    words = (*arguments, "--data-dir", str(data_dir))
    return forked.run(words, stdin=stdin, env=environment(), cwd=data_dir.parent, timeout=PATIENCE)


def refused(part: str, data_dir: Path, *options: str, **settings: Any) -> tuple[int, str, str]:
    """The exit code, output and errors of a server, or a part of one, that ends by itself for what it is given."""
    free = dict(zip(("port", "dimse_port"), free_ports(2), strict=True))
    words = (part, "--data-dir", str(data_dir), *options)
    env = environment(**{**free, **settings})
    done = forked.run(words, stdin="", env=env, cwd=data_dir.parent, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def environment(**settings: Any) -> dict[str, str]:
    """The environment of a server: this one without the settings of whoever runs the tests."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HEALIX_")}
    return plain | {f"HEALIX_{name.upper()}": str(value) for name, value in settings.items()}


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those that connections get, of which one would have it when a server starts,
    or starts again.
    """
    found: dict[int, socket.socket] = {}
    while len(found) < count:
        port = CHANCE.randrange(11_000, 32_000)
        with suppress(OSError):
            found[port] = socket.create_server(("127.0.0.1", port))
    for probe in found.values():
        probe.close()
    return list(found)


def ready(port: int) -> bool:
    """Whether `/readyz` says yes."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2, verify=NO_TLS).status_code == 200
    except httpx.HTTPError:
        return False


def wait_until(
    condition: Callable[[], object], what: str, *, seconds: float = PATIENCE, shown: Callable[[], str] = str
) -> None:
    """Wait for `condition`; fails, naming `what` was waited for, and what is `shown` in its place."""
    deadline = time.monotonic() + seconds
    looked = time.monotonic()
    while not condition():
        now = time.monotonic()
        assert now < deadline, f"waited {seconds:g} s in vain for {what} {shown()}"
        time.sleep(min(max(0.05, now - looked), 1))  # half of the processor is left to what is waited for
        looked = time.monotonic()


def _started(program: Sequence[str], words: tuple[str, ...], env: dict[str, str], log: Path) -> forked.Process:
    """A command of `program`, or where that is empty of a fork of what is loaded, beside its log."""
    if not program:
        return forked.begin(words, env=env, cwd=log.parent, log=log)
    with log.open("wb") as output:
        return subprocess.Popen([*program, *words], stdout=output, stderr=subprocess.STDOUT, env=env, cwd=log.parent)


def _role(process: psutil.Process) -> str | None:
    """What it is by its title, `healix web-0`."""
    try:
        words = " ".join(process.cmdline()).split()
    except psutil.Error:
        return None
    return words[1].partition("-")[0] if len(words) == 2 and words[0] == "healix" else None
