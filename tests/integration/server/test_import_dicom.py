"""`healix import` of DICOM folders over processes, on a database of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.settings import Settings, load
from healix_fhir.server.importing import crew
from healix_fhir.server.importing.journal import Done, Todo, run_of
from healix_fhir.server.importing.run import FEW, run
from healix_fhir.server.importing.sources import find
from tests.support.dicom import ct
from tests.support.preloaded import forked  # noqa: F401 - a fixture for all
from tests.support.serve import HEALIX, environment, wait_until

STUDIES, EACH = 3, 50
MORE = 2400
"""Images of an import that is not done before it is stopped."""
UnderWay: TypeAlias = tuple[list[str], "subprocess.Popen[str]"]
"""A command, and its process."""


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings that name the test's database."""
    return load({"data_dir": tmp_path / "data", "database_url": database_url})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Enough images for processes, in three studies, a truncated one and one that is there twice."""
    for study in range(1, STUDIES + 1):
        directory = tmp_path / "images" / str(study)
        directory.mkdir(parents=True)
        for number in range(EACH):
            (directory / f"{number}.dcm").write_bytes(ct(study, 1, number, size=16))
    image = ct(1, 1, 1, size=16)
    (tmp_path / "images" / "z-cut.dcm").write_bytes(image[:-100])
    (tmp_path / "images" / "z-twice.dcm").write_bytes(image)
    assert STUDIES * EACH > FEW
    return tmp_path / "images"


def imported(settings: Settings, pool: ConnectionPool[Connection[Row]], path: Path) -> dict[str, Any]:
    """The result of an import by two processes."""
    report = run(settings, pool, find([path]).sources, lambda _: None, processes=2, name=run_of([path]))
    return report.as_json()


def stored(pool: ConnectionPool[Connection[Row]]) -> Row:
    """Instances, what the series and studies count, objects audited, and notes of imports under way."""
    with pool.connection() as connection:
        found = connection.execute(
            """SELECT (SELECT count(*) FROM instance), (SELECT sum(instances_in_series) FROM series),
                      (SELECT sum(instance_count) FROM study), (SELECT count(*) FROM import_file)"""
        ).fetchone()
        assert found is not None
        return found


def test_folder(settings: Settings, pool: ConnectionPool[Connection[Row]], folder: Path) -> None:
    """Every image is stored once; one that is there twice is a duplicate, a truncated one refused by name."""
    result = imported(settings, pool, folder)
    total = STUDIES * EACH
    counts = [result[name] for name in ("instances", "duplicates", "refused", "resumed")]
    assert counts == [total, 1, 1, 0]
    assert [item["item"] for item in result["refused_items"]] == [str(folder / "z-cut.dcm")]
    assert stored(pool) == (total, total, total, 0)


def test_goes_on(
    settings: Settings, pool: ConnectionPool[Connection[Row]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import that failed on its way reads, when it is started again, only what was not done or has changed since."""
    real = crew._count
    done = 0

    def counted(report: Any, one: Done) -> None:
        nonlocal done
        if done == 2 * crew.GROUP_FILES:
            raise HealixError(Category.UNAVAILABLE, "the disk is full")
        done += 1
        real(report, one)

    with monkeypatch.context() as patched:
        patched.setattr(crew, "_count", counted)
        with pytest.raises(HealixError, match="disk is full"):
            imported(settings, pool, folder)
    before = stored(pool)[0]
    assert 0 < before <= STUDIES * EACH
    first = next(iter(sorted((folder / "1").iterdir())))
    first.write_bytes(first.read_bytes() + b"\0")
    result = imported(settings, pool, folder)
    assert result["resumed"] >= done - 1
    assert result["instances"] + result["duplicates"] == STUDIES * EACH
    assert {item["item"] for item in result["refused_items"]} == {str(first), str(folder / "z-cut.dcm")}
    assert stored(pool) == (STUDIES * EACH,) * 3 + (0,)
    assert imported(settings, pool, folder)["resumed"] == 0


@pytest.fixture
def under_way(folder: Path, tmp_path: Path, database_url: str) -> Iterator[UnderWay]:
    """The command of an import, and its process, which has begun to store."""
    more = folder / "more"
    more.mkdir()
    for number in range(MORE):
        (more / f"{number}.dcm").write_bytes(ct(9, 1, number, size=16))
    command = [*HEALIX, "import", str(folder), "--processes", "2", "--data-dir", str(tmp_path / "data")]
    with (
        subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(database_url=database_url),
            start_new_session=True,
            text=True,
        ) as process,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        wait_until(lambda: connection.execute("SELECT 1 FROM import_file LIMIT 1").fetchone(), "the first files")
        yield command, process
        process.kill()


def test_stopped(under_way: UnderWay) -> None:
    """Who stops an import with Ctrl-C, which reaches all its processes, is told what is kept and how it goes on."""
    _, process = under_way
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, said
    assert said.endswith("the same command goes on with the images that were not\n")
    assert "Traceback" not in said


def test_killed(under_way: UnderWay, pool: ConnectionPool[Connection[Row]], database_url: str) -> None:
    """An import killed on its way and started again stores every image once and counts every file."""
    killed, process = under_way
    process.kill()
    process.communicate()
    before = stored(pool)[0]
    total = STUDIES * EACH + MORE
    assert 0 < before < total
    done = subprocess.run(killed, capture_output=True, env=environment(database_url=database_url), check=False)
    result = json.loads(done.stdout)
    assert result["resumed"] >= 1
    assert (result["instances"] + result["duplicates"], result["refused"]) == (total + 1, 1)
    assert stored(pool) == (total, total, total, 0)


def test_groups() -> None:
    """Files go out in groups of bounded number and size; a large one ends its group."""
    small, large = Todo(Path("s"), 1, 0), Todo(Path("l"), crew.GROUP_BYTES, 0)
    found = [len(group) for group in crew.groups([large, small, large, *[small] * (crew.GROUP_FILES + 1)])]
    assert found == [1, 2, crew.GROUP_FILES, 1]
