"""`healix import` of NDJSON over processes, on a database of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import psutil
import psycopg
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel.database import Row
from healix_fhir.kernel.settings import Settings, load
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.server.importing.journal import run_of
from healix_fhir.server.importing.resources import SMALL
from healix_fhir.server.importing.run import run
from healix_fhir.server.importing.sources import find
from tests.support.ndjson import CHART, write_charts
from tests.support.preloaded import forked  # noqa: F401 - a fixture for all
from tests.support.resources import patient
from tests.support.serve import HEALIX, PATIENCE, environment, wait_until

CHARTS = 30


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings that name the test's database."""
    return load({"data_dir": tmp_path / "data", "database_url": database_url})


@pytest.fixture
def charts(tmp_path: Path) -> Path:
    """A file that is large enough for processes."""
    path = tmp_path / "charts.ndjson"
    write_charts(path, CHARTS)
    assert path.stat().st_size > SMALL
    return path


def imported(settings: Settings, pool: ConnectionPool[Connection[Row]], path: Path) -> dict[str, Any]:
    """The result of an import by two processes."""
    sources = find([path]).sources
    return run(settings, pool, sources, lambda _: None, processes=2, name=run_of([path])).as_json()


def versions(pool: ConnectionPool[Connection[Row]]) -> dict[str, int]:
    """The version of every stored resource by its id."""
    with pool.connection() as connection:
        return dict(connection.execute("SELECT id, version FROM resource").fetchall())


def test_all(settings: Settings, pool: ConnectionPool[Connection[Row]], charts: Path) -> None:
    """Every line is stored with its index rows, an audit row and an event; once more, nothing is."""
    assert imported(settings, pool, charts)["resources"] == CHARTS * CHART
    assert set(versions(pool).values()) == {1}
    counts = (
        "SELECT count(*) FROM audit_event WHERE client = 'import' AND subtype = 'update'",
        "SELECT count(*) FROM outbox WHERE topic = 'resource'",
        "SELECT count(*) FROM resource WHERE cardinality(toks) > 0",
    )
    with pool.connection() as connection:
        found = [connection.execute(count).fetchone() for count in counts]
        assert found == [(CHARTS * CHART,)] * 3
    again = imported(settings, pool, charts)
    assert (again["resources"], again["refused"], len(versions(pool))) == (CHARTS * CHART, 0, CHARTS * CHART)
    assert set(versions(pool).values()) == {1}


def test_last_wins(settings: Settings, pool: ConnectionPool[Connection[Row]], charts: Path) -> None:
    """Lines about one resource become its versions in the order of the file."""
    names = [f"Name{number}" for number in range(5)]
    with charts.open("ab") as file:
        for name in names:
            file.write(orjson.dumps(patient(id="often", name=[{"family": name}])) + b"\n")
    imported(settings, pool, charts)
    with pool.connection() as connection:
        kept = connection.execute(
            "SELECT body FROM resource WHERE type = %s AND id = 'often'", [TYPE_ID["Patient"]]
        ).fetchone()
    assert kept is not None
    assert orjson.loads(kept[0])["name"][0]["family"] == names[-1]
    assert versions(pool)["often"] == len(names)


def test_refused(settings: Settings, pool: ConnectionPool[Connection[Row]], charts: Path) -> None:
    """Refused lines are named in order, also one that only the database refuses; the rest is stored."""
    with charts.open("ab") as file:
        file.write(b"{no json\n")
        file.write(orjson.dumps(patient(id="cursed")) + b"\n")
        file.write(orjson.dumps(patient(id="wrong", gender="unheard-of")) + b"\n")
    with pool.connection() as connection:
        connection.execute("ALTER TABLE resource ADD CHECK (id <> 'cursed')")
    result = imported(settings, pool, charts)
    last = CHARTS * CHART
    items = [item["item"] for item in result["refused_items"]]
    assert items == [f"{charts}:{last + number}" for number in (1, 2, 3)]
    assert (result["resources"], result["refused"]) == (last, 3)
    assert not {"cursed", "wrong"} & versions(pool).keys()


def test_too_long(settings: Settings, pool: ConnectionPool[Connection[Row]], tmp_path: Path) -> None:
    """A line above HEALIX_MAX_BODY_MB is refused by name."""
    path = tmp_path / "long.ndjson"
    path.write_bytes(b'{"x": "' + b"x" * (settings.max_body_mb << 20) + b'"}\n' + orjson.dumps(patient(id="short")))
    result = imported(settings, pool, path)
    assert result["resources"] == 1
    assert result["refused_items"] == [{"item": f"{path}:1", "reasons": ["larger than 64 MB (HEALIX_MAX_BODY_MB)"]}]


@pytest.fixture
def importing(tmp_path: Path, database_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A long import under way, in a process group of its own."""
    path = tmp_path / "long.ndjson"
    write_charts(path, 1000)
    process = subprocess.Popen(
        [*HEALIX, "import", str(path), "--processes", "2", "--data-dir", str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(database_url=database_url),
        start_new_session=True,
    )
    with process, psycopg.connect(database_url, autocommit=True) as connection:
        wait_until(lambda: connection.execute("SELECT 1 FROM resource LIMIT 1").fetchone(), "the first resources")
        yield process
        process.kill()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped(importing: subprocess.Popen[bytes], database_url: str, how: signal.Signals) -> None:
    """A stopped import leaves whole transactions (each resource with audit and event) and no process behind."""
    children = psutil.Process(importing.pid).children(recursive=True)
    if how is signal.SIGINT:
        os.killpg(importing.pid, how)  # as a terminal does it
    else:
        importing.send_signal(how)
    assert importing.wait(PATIENCE) != 0
    wait_until(lambda: not any(child.is_running() for child in children), "the import's processes to end")
    with psycopg.connect(database_url, autocommit=True) as connection:
        counts = [
            connection.execute(count).fetchone()
            for count in (
                "SELECT count(*) FROM resource",
                "SELECT count(*) FROM audit_event WHERE client = 'import'",
                "SELECT count(*) FROM outbox",
            )
        ]
    assert len(set(counts)) == 1
    assert counts[0] != (0,)


def test_writer_dies(importing: subprocess.Popen[bytes]) -> None:
    """An import one of whose processes is killed says so and ends."""
    writers = [child for child in psutil.Process(importing.pid).children() if "spawn_main" in " ".join(child.cmdline())]
    writers[0].kill()
    output, _ = importing.communicate(timeout=PATIENCE)
    assert importing.returncode == 1
    assert output == b""


def test_option(tmp_path: Path, database_url: str, charts: Path) -> None:
    """`--processes` says over how many processes lines are written; one is enough."""
    command = [*HEALIX, "import", str(charts), "--data-dir", str(tmp_path / "data"), "--processes", "1"]
    done = subprocess.run(command, capture_output=True, env=environment(database_url=database_url), check=True)
    assert json.loads(done.stdout)["resources"] == CHARTS * CHART
    assert b"Importing" in done.stderr
