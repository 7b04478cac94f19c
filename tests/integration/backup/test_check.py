"""`healix check`: rows and blobs that do not agree are told, and repaired when that is asked for."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from typer.testing import CliRunner

from dicomweb.study.delete import delete
from healix_fhir.kernel.database import Row
from healix_fhir.server.cli.main import app
from tests.support.backup import pieces_at, taken
from tests.support.dicom import ct, uid
from tests.support.study import SYSTEM, Store, open_store

OLD = 7200


@pytest.fixture
def store(pool: ConnectionPool[Connection[Row]], tmp_path: Path) -> Store:
    """Four images, one of them deleted."""
    made = open_store(pool, tmp_path / "data" / "images")
    made.add(*(ct(1, 1, number, size=8) for number in range(1, 5)))
    made.run(delete(SYSTEM, uid(1), uid(1, 1), uid(1, 1, 4)))
    return made


def check(store: Store, url: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Run the command: its exit code and answer."""
    line = ["check", *options, "--data-dir", str(store.root.parent)]
    done = CliRunner().invoke(app, line, env={"HEALIX_DATABASE_URL": url})
    assert done.stdout, (done.stderr, done.exception)
    return done.exit_code, json.loads(done.stdout)


def file(store: Store, table: str, number: int) -> Path:
    """The file of an instance."""
    (row,) = store.sql(f"SELECT blob FROM {table} WHERE instance_uid = %s", uid(1, 1, number))
    path = store.archive.path(row[0])
    assert path is not None
    return path


def test_what_agrees(store: Store, database_url: str) -> None:
    """Nothing to tell, exit code 0."""
    code, told = check(store, database_url)
    assert (code, told["run"]["checked"]) == (0, 3)
    assert not any(told[name] for name in told if name != "run")


def test_divergence(store: Store, database_url: str, tmp_path: Path) -> None:
    """Dry, all is told and nothing changed; then what a crash left goes, and a backup gives damaged images back."""
    place = f"{tmp_path}/backup/"
    taken(database_url, store.archive, pieces_at(place))
    missing, flipped, deleted = (
        file(store, "instance", 1),
        file(store, "instance", 2),
        file(store, "deleted_instance", 4),
    )
    whole = {path: path.read_bytes() for path in (missing, flipped, deleted)}
    missing.unlink()
    deleted.unlink()
    flipped.write_bytes(whole[flipped][:-1] + bytes([whole[flipped][-1] ^ 1]))
    orphan, stray, young = missing.with_name("0" * 48), store.archive.incoming / "left", store.archive.incoming / "new"
    for path in (orphan, stray, young):
        path.write_bytes(b"x")
    for path in (orphan, stray):
        os.utime(path, (time.time() - OLD,) * 2)
    before = store.files()
    code, told = check(store, database_url)
    assert code == 1
    assert {one["instance"]: one["damage"] for one in told["damaged"]} == {
        uid(1, 1, 1): "missing",
        uid(1, 1, 2): "corrupt",
    }
    assert (len(told["deleted_and_damaged"]), told["blobs_without_rows"], told["files_left"]) == (1, 1, 1)
    assert (told["removed"], store.files()) == (0, before)
    code, told = check(store, database_url, "--repair")
    assert (code, told["removed"], told["put_back"], len(told["damaged"])) == (1, 2, 0, 2)
    assert young.exists()
    assert not orphan.exists()
    assert not stray.exists()
    code, told = check(store, database_url, "--repair", "--from", place)
    assert (code, told["put_back"], told["damaged"], told["deleted_and_damaged"]) == (0, 3, [], [])
    assert {path: path.read_bytes() for path in whole} == whole
