"""Servers under measurement as processes of their own: the database, Healix, and a bare application beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from healix_fhir.kernel import embedded
from healix_fhir.kernel.database import run
from healix_fhir.server.migrate import migrate
from healix_fhir.store import known_texts
from smart_auth import patients
from smart_auth.store import create_token
from tests.bench.dimse_servers import free_port

STARTED = 180.0
LOG_FILES = 24
SCOPE = "system/*.cruds"


@dataclass(frozen=True)
class Served:
    """A running HTTP server on this machine, the process at the root of its tree, and a token that opens all."""

    port: int
    pid: int
    token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What every request to it carries."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


@contextmanager
def database(directory: Path) -> Iterator[str]:
    """The URL of an embedded database as Healix runs it, with fsync and the whole schema."""
    server = embedded.start(directory)
    try:
        migrate(server.get_uri())
        _settle(server.get_uri())
        patients.forget()
        known_texts.forget()
        yield server.get_uri()
    finally:
        server.cleanup()


def _settle(url: str) -> None:
    """Let the database have log files to use again, as one that has been in use for a while has.

    To make a new one PostgreSQL writes 16 MB of zeros and waits for the disk, and all writers with it.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(LOG_FILES):
            connection.execute("SELECT pg_logical_emit_message(false, 'bench', ''), pg_switch_wal()")
        connection.execute("CHECKPOINT")


@contextmanager
def healix(url: str, data_dir: Path, *, workers: int) -> Iterator[Served]:
    """`healix serve` on the database of `url` with so many web workers."""
    port = free_port()
    options = ["--data-dir", str(data_dir), "--port", str(port), "--dimse-port", str(free_port())]
    command = [sys.executable, "-m", "healix_fhir.server.cli.main", "serve", *options, "--workers", str(workers)]
    with psycopg.connect(url, autocommit=True) as connection:
        token = run(connection, create_token(SCOPE, ttl=86_400))
    environment = {"HEALIX_DATABASE_URL": url, "HEALIX_LOG_LEVEL": "error", "TCP_NODELAY": "1"}
    with running(command, port, "/readyz", environment) as pid:
        yield Served(port, pid, token)


@contextmanager
def web_worker(url: str, data_dir: Path, module: str) -> Iterator[Served]:
    """One web worker alone, started by `python -m module web`."""
    port = free_port()
    with psycopg.connect(url, autocommit=True) as connection:
        token = run(connection, create_token(SCOPE, ttl=86_400))
    command = [sys.executable, "-m", module, "web", "--data-dir", str(data_dir), "--port", str(port)]
    with running(command, port, "/readyz", {"HEALIX_DATABASE_URL": url, "HEALIX_LOG_LEVEL": "error"}) as pid:
        yield Served(port, pid, token)


@contextmanager
def bare(url: str) -> Iterator[Served]:
    """The bare application of `tests.bench.bare_app`."""
    port = free_port()
    with running([sys.executable, "-m", "tests.bench.bare_app", str(port), url], port, "/", {}) as pid:
        yield Served(port, pid)


@contextmanager
def running(command: list[str], port: int, path: str, environment: dict[str, str]) -> Iterator[int]:
    """The id of a process that answers GET `path`; it is ended with the block."""
    process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + STARTED
        while not _answers(f"http://127.0.0.1:{port}{path}"):
            assert process.poll() is None, f"{command} ended"
            assert time.monotonic() < deadline, f"{command} does not answer"
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(STARTED)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
