"""Exports as tables: files of Parquet, read back by another program."""

from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from healix_fhir.bulk import asked, parquet
from healix_fhir.bulk.asked import PARQUET
from healix_fhir.bulk.store import LocalStore
from healix_fhir.model.json import encode
from tests.support.bulk import ASYNC, begun, work
from tests.support.live_server import LiveServer

TABLES = f"/fhir/$export?_outputFormat={PARQUET}"


def query(sql: str) -> list[Any]:
    """The rows of a query of DuckDB."""
    return duckdb.connect().execute(sql).fetchall()


def fetched(client: httpx.Client, job: str, directory: Path) -> dict[str, list[Path]]:
    """The files of a completed job on the disk, by type."""
    manifest = client.get(job).json()
    found: dict[str, list[Path]] = {}
    for number, item in enumerate(manifest["output"]):
        answer = client.get(item["url"])
        assert (answer.status_code, answer.headers["content-type"]) == (200, PARQUET)
        path = directory / f"{number}.parquet"
        path.write_bytes(answer.content)
        (count,) = query(f"SELECT count(*) FROM '{path}'")
        assert count == (item["count"],)
        found.setdefault(item["type"], []).append(path)
    return found


def test_tables(server: LiveServer, client: httpx.Client, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each type is a table with its columns, in several files where it is large; nothing is left out of `json`."""
    monkeypatch.setattr(parquet, "LARGEST", 300)
    job = begun(client, f"{TABLES}&_type=Patient,Observation,Binary")
    work(server)
    found = fetched(client, job, directory)
    assert found.keys() == {"Patient", "Observation", "Binary"}
    assert len(found["Observation"]) > 1
    files = [str(path) for path in found["Observation"]]
    rows = query(
        f"""SELECT id, status, code_code, subject_target_id, effective_date_time, value_string,
                   json_extract_string(json, '$.valueString'), typeof(meta_last_updated)
            FROM read_parquet({files}) WHERE id IN ('ann-pulse', 'bob-pulse') ORDER BY id"""
    )
    text = "äöü\n\u2028x"
    assert rows == [
        ("ann-pulse", "final", "8867-4", "ann", "2026-01-01", text, text, "TIMESTAMP WITH TIME ZONE"),
        ("bob-pulse", "final", "8867-4", "bob", None, None, None, "TIMESTAMP WITH TIME ZONE"),
    ]
    patients = [str(path) for path in found["Patient"]]
    genders = query(f"SELECT gender FROM read_parquet({patients}) ORDER BY id")
    assert genders == [("female",), ("male",), ("other",)]


def test_what_is_selected(server: LiveServer, client: httpx.Client, directory: Path) -> None:
    """Filters, elements and Provenance about what comes are as in other formats; what is empty has no file."""
    filters = "_typeFilter=Observation%3Fcode%3D8867-4&_elements=Observation.code&_type=Observation,Device"
    job = begun(client, f"{TABLES}&{filters}")
    work(server)
    found = fetched(client, job, directory)
    assert found.keys() == {"Observation"}
    rows = query(f"SELECT id, code_code, value_string FROM '{found['Observation'][0]}' ORDER BY id")
    assert rows == [(f"{name}-pulse", "8867-4", None) for name in ("ann", "bob", "cis")]


@pytest.mark.parametrize(
    ("query", "installed", "named"),
    [("", False, "healix[parquet]"), ("&organizeOutputBy=Patient", True, "organizeOutputBy")],
)
def test_refused(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, query: str, named: str, *, installed: bool
) -> None:
    """Without the library, and by patient, the format is refused by name."""
    monkeypatch.setattr(asked, "installed", lambda: installed)
    answer = client.get(f"{TABLES}{query}", headers=ASYNC)
    assert answer.status_code in (400, 501)
    assert named in answer.json()["issue"][0]["diagnostics"]


def test_written_as_they_are_read(tmp_path: Path) -> None:
    """Memory does not grow with a file, and what ends the reading is raised as it is, and leaves no file."""
    line = encode({"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x" * 1000}})

    def lines(count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield line

    class Nowhere:
        """A sink."""

        def write(self, data: bytes, /) -> object:
            return len(data)

    parquet.write(Nowhere(), "Observation", parquet.Rows("Observation", lines(10)))  # the library is loaded
    tracemalloc.start()
    rows = parquet.Rows("Observation", lines(20_000))
    parquet.write(Nowhere(), "Observation", rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (rows.count, peak < 8 << 20) == (20_000, True)

    def broken() -> Iterator[bytes]:
        yield from lines(5000)
        raise KeyError("stop")

    store = LocalStore(tmp_path)
    with pytest.raises(KeyError, match="stop"), store.make("job/1-Observation-1.parquet") as sink:
        parquet.write(sink, "Observation", parquet.Rows("Observation", broken()))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_whole_files(tmp_path: Path) -> None:
    """Times and numbers keep their value."""
    resource = {"resourceType": "Observation", "id": "o", "meta": {"lastUpdated": "2026-01-02T03:04:05.678Z"},
                "status": "final", "code": {"text": "x"}, "valueQuantity": {"value": 72}}  # fmt: skip
    path = tmp_path / "x.parquet"
    buffer = io.BytesIO()
    parquet.write(buffer, "Observation", parquet.Rows("Observation", iter([encode(resource)])))
    path.write_bytes(buffer.getvalue())
    ((moment, value, absent),) = query(f"SELECT meta_last_updated, value_quantity_value, issued FROM '{path}'")
    assert (moment, value, absent) == (datetime.fromisoformat("2026-01-02T03:04:05.678+00:00"), 72.0, None)


def test_loaded_when_it_is_needed() -> None:
    """Neither the web server nor the worker loads the library with its own modules."""
    check = "import sys, healix_fhir.server.app, healix_fhir.server.worker; sys.exit('arro3.io' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False, timeout=60).returncode == 0
