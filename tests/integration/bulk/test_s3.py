"""Exports whose files lie in an S3 bucket: fetched by signed links, expired, let go and called off."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from healix_fhir.bulk import pulse
from healix_fhir.bulk.line import Lines
from healix_fhir.bulk.store import open_store
from healix_fhir.bulk.sweep import sweep
from healix_fhir.kernel.database import open_pool
from tests.support.bulk import begun, work
from tests.support.live_server import LiveServer, live_server
from tests.support.s3 import Bucket, bucket
from tests.support.ward import fill, put

SIZE = 3 << 20
LARGE = {"contentType": "application/octet-stream", "data": "A" * SIZE}


@dataclass
class Stored:
    """A server, its bucket, and a client that exports."""

    server: LiveServer
    bucket: Bucket
    client: httpx.Client

    def swept(self) -> None:
        """Sweep as the worker does."""
        with open_pool(self.server.settings.database_url, size=1) as pool:
            sweep(pool, open_store(self.server.settings))

    def files(self, job: str) -> list[str]:
        """The keys of a job's files in the bucket."""
        return [key for key in self.bucket.objects() if key.startswith(f"exports/{job.rpartition('/')[2]}/")]

    def change(self, sql: str) -> None:
        """Change what the database says."""
        with psycopg.connect(self.server.settings.database_url, autocommit=True) as connection:
            connection.execute(sql)


@pytest.fixture(scope="module")
def stored(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """Everything of a ward, some of it large, and links that are signed."""
    with bucket() as made:
        settings = {name: value for name, value in made.settings.items() if name != "blob_url"}
        settings |= {"bulk_url": f"s3://{made.name}/exports", "bulk_links": "signed"}
        with live_server(module_database_url, tmp_path_factory.mktemp("s3"), **settings) as server:
            with server.client("system/*.cruds", client="registry") as writer:
                fill(writer)
                for number in range(4):  # together more than one part of an upload
                    put(writer, {"resourceType": "Binary", "id": f"large-{number}"} | LARGE)
            with server.client("system/*.rs", client="analytics") as client:
                yield Stored(server, made, client)


@pytest.mark.spec("Bulk Data Access 2.0.0 export.html#bulk-data-output-file-request")
def test_from_the_bucket_to_the_client(stored: Stored, tmp_path: Path) -> None:
    """Files come from the bucket as they were written, by signed links alone; none lies on the disk."""
    job = begun(stored.client, "/fhir/$export?_type=Patient,Binary")
    work(stored.server)
    found = stored.client.get(job).json()
    assert found["requiresAccessToken"] is False
    by_type = {item["type"]: item for item in found["output"]}
    assert len(stored.files(job)) == 2
    assert not (stored.server.settings.data_dir / "bulk").exists()
    with httpx.Client() as anyone:
        large = anyone.get(by_type["Binary"]["url"])
        assert (large.status_code, len(large.content.splitlines())) == (200, 5)
        assert len(large.content) == int(large.headers["content-length"]) > 4 * SIZE
        assert max(stored.bucket.objects().values()) == len(large.content)
        patients = anyone.get(by_type["Patient"]["url"])
        assert len(patients.text.splitlines()) == 3
        assert anyone.get(httpx.URL(by_type["Patient"]["url"]).copy_with(params={})).status_code == 401
        assert all(item["url"].startswith(stored.server.url) for item in found["output"])


def test_expired(stored: Stored) -> None:
    """After its time a link opens nothing, and the sweep takes the objects out of the bucket."""
    job = begun(stored.client, "/fhir/$export?_type=Patient")
    work(stored.server)
    (item,) = stored.client.get(job).json()["output"]
    stored.change(f"UPDATE bulk_job SET expires = now() WHERE id = '{job.rpartition('/')[2]}'")
    assert httpx.get(item["url"]).status_code == 404
    assert len(stored.files(job)) == 1
    stored.swept()
    assert stored.files(job) == []


def test_let_go(stored: Stored) -> None:
    """A client that is done deletes its job; links and objects go."""
    job = begun(stored.client, "/fhir/$export?_type=Patient")
    work(stored.server)
    (item,) = stored.client.get(job).json()["output"]
    assert stored.client.delete(job).status_code == 202
    assert httpx.get(item["url"]).status_code == 404
    stored.swept()
    assert stored.files(job) == []


def test_called_off(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is called off while a file goes up leaves neither an object nor an upload in parts."""
    monkeypatch.setattr(pulse, "EVERY", 0.05)
    job = begun(stored.client, "/fhir/$export?_type=Patient,Binary")
    held, go_on = threading.Event(), threading.Event()
    lines, real = [0], Lines.line

    def slow(self: Any, body: bytes) -> bytes:
        lines[0] += body.startswith(b'{"resourceType":"Binary"')
        if lines[0] == 4:  # more than one part has gone up
            held.set()
            assert go_on.wait(10)
        return real(self, body)

    monkeypatch.setattr(Lines, "line", slow)
    doing = threading.Thread(target=work, args=(stored.server,))
    doing.start()
    assert held.wait(10)
    assert stored.client.delete(job).status_code == 202
    go_on.set()
    doing.join(20)
    assert not doing.is_alive()
    stored.swept()
    assert (stored.files(job), stored.bucket.uploads()) == ([], 0)
    assert stored.client.get(job).status_code == 404


def test_the_bucket_is_away(stored: Stored) -> None:
    """A link to a file that cannot be reached now answers 503 and when to come back, or ends the answer short."""
    job = begun(stored.client, "/fhir/$export?_type=Patient")
    work(stored.server)
    (item,) = stored.client.get(job).json()["output"]
    stored.bucket.stop()
    try:
        with pytest.raises(httpx.HTTPError):
            httpx.get(item["url"], timeout=60).raise_for_status()
    finally:
        stored.bucket.start()
