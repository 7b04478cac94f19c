"""The embedded PostgreSQL comes back by itself, whatever was killed and whatever that has left behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from healix_fhir.kernel import embedded
from tests.support.serve import wait_until


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data directory whose database has been started once."""
    directory = tmp_path_factory.mktemp("embedded")
    embedded.start(directory).cleanup()
    yield directory
    embedded.start(directory).cleanup()


def postmaster(data_dir: Path) -> psutil.Process:
    """The first process of the database."""
    return psutil.Process(int((data_dir / "postgres/postmaster.pid").read_text().split()[0]))


def answers(url: str) -> bool:
    """Whether the database does."""
    try:
        with psycopg.connect(url) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_revived(data_dir: Path) -> None:
    """A database whose processes are killed is started again, at the same address; one that runs is left alone."""
    server = embedded.start(data_dir)
    dead = postmaster(data_dir)
    embedded.revive(data_dir)
    assert postmaster(data_dir).pid == dead.pid
    for process in (dead, *dead.children()):
        process.kill()
    wait_until(lambda: not answers(server.get_uri()), "the database to have ended")
    embedded.revive(data_dir)
    assert answers(server.get_uri())
    assert postmaster(data_dir).pid != dead.pid
    server.cleanup()


def test_number_of_another_process(data_dir: Path) -> None:
    """Lock files that were left by a crash do not stand in the way when another process has the number in them."""
    server = embedded.start(data_dir)
    left = {path: path.read_text() for path in (data_dir / "postgres").glob("*.pid")}
    left |= {path: path.read_text() for path in Path(server.get_uri().partition("host=")[2]).glob(".s.PGSQL.*.lock")}
    dead = str(postmaster(data_dir).pid)
    server.cleanup()
    assert len(left) == 2
    for path, text in left.items():
        path.write_text(text.replace(dead, str(os.getpid()), 1))
        shutil.chown(path, (data_dir / "postgres/PG_VERSION").owner())
    server = embedded.start(data_dir)
    assert answers(server.get_uri())
    server.cleanup()


@pytest.mark.parametrize(
    ("name", "content"), [("postmaster.pid", f"{2**22 + 1}\n/somewhere\n"), (".handle_pids.json", "[12")]
)
def test_half_a_file(data_dir: Path, name: str, content: str) -> None:
    """A file that was being written at a crash does not stand in the way."""
    (data_dir / "postgres" / name).write_text(content)
    server = embedded.start(data_dir)
    assert answers(server.get_uri())
    server.cleanup()
