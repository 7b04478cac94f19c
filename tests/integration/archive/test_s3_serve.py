"""`healix serve` with its images in an S3 bucket: what it says at start, a kill within an object, and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import httpx
import psycopg
import pytest

from dicomweb.archive.opening import open_archive
from dicomweb.study.sweep import sweep
from healix_fhir.kernel import bucket as connection
from healix_fhir.kernel.database import run
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.processes import open_database
from tests.support.dicom import data_set, part10, uid, with_pixels
from tests.support.s3 import Bucket, bucket
from tests.support.serve import Served, ready, refused, serving, wait_until
from tests.support.stow import HEADERS, body

STUDIES = "/dicomweb/studies"
SCOPE = "system/ImagingStudy.crs"
FRAMES = 100
MB = 1 << 20


def big(study: int) -> bytes:
    """A request with an object of 200 MB."""
    return body([part10(with_pixels(data_set(study), rows=1024, columns=1024, frames=FRAMES))])


@pytest.fixture(scope="module", name="bucket")
def _bucket() -> Iterator[Bucket]:
    with bucket() as made:
        yield made


@pytest.fixture(scope="module")
def server(set_up: Callable[[str], Path], bucket: Bucket) -> Iterator[Served]:
    """A server with one web worker and its images in the bucket."""
    with serving(set_up("s3"), "--workers", "1", **bucket.settings) as served:
        yield served


@pytest.fixture(scope="module")
def token(server: Served) -> str:
    """A token that stores and reads images."""
    return server.token(SCOPE)


def test_memory_of_a_large_object_is_bounded(server: Served, token: str) -> None:
    """200 MB go into the bucket and out of it while the process stays within 100 MB of what it was."""
    (web,) = server.children("web")
    before = peak = web.memory_info().rss
    content = big(1)
    with server.client(token) as client:
        sender = Thread(target=client.post, args=(STUDIES,), kwargs={"content": content, "headers": HEADERS})
        sender.start()
        while sender.is_alive():
            peak = max(peak, web.memory_info().rss)
            sender.join(0.02)
        received = 0
        with client.stream("GET", f"{STUDIES}/{uid(1)}") as answer:
            for chunk in answer.iter_raw():
                received += len(chunk)
                peak = max(peak, web.memory_info().rss)
    assert received > FRAMES * 2 * MB
    assert peak - before < 100 * MB


def test_a_kill_within_an_object_leaves_nothing_visible(server: Served, token: str, bucket: Bucket) -> None:
    """An upload cut by a kill is no object and no row; its file is swept, and the request is then taken."""
    before = bucket.objects()
    content = big(2)
    with server.client(token) as client:
        sender = Thread(target=_send, args=(client, content))
        sender.start()
        wait_until(bucket.uploads, "an upload in parts")
        (web,) = server.children("web")
        web.kill()
        sender.join()
    wait_until(lambda: web.pid not in [child.pid for child in server.children("web")], "a new web worker")
    wait_until(lambda: ready(server.port), "the web to answer")
    assert bucket.objects() == before
    with open_database(Settings(data_dir=server.data_dir)) as url, psycopg.connect(url, autocommit=True) as database:
        archive = open_archive(Settings(data_dir=server.data_dir, **bucket.settings))
        assert len(list(archive.incoming.iterdir())) == 1
        assert run(database, sweep(archive, age=-10)) == 1
        assert list(archive.incoming.iterdir()) == []
    assert bucket.objects() == before
    with server.client(token) as client:
        assert [uid(2)] not in _studies(client)
        assert client.post(STUDIES, content=content, headers=HEADERS, timeout=60).status_code == 200
        assert [uid(2)] in _studies(client)
    assert len(bucket.objects()) == len(before) + 1


def _studies(client: httpx.Client) -> list[list[str]]:
    return [study["0020000D"]["Value"] for study in client.get(STUDIES).json()]


def _send(client: httpx.Client, content: bytes) -> None:
    with suppress(httpx.HTTPError):
        client.post(STUDIES, content=content, headers=HEADERS)


@pytest.fixture
def guarded(bucket: Bucket) -> Iterator[Bucket]:
    """The bucket, whose service now checks keys and signatures; the key of its settings is of nobody."""
    httpx.post(f"{bucket.endpoint}/moto-api/reset-auth", content=b"0")
    try:
        yield bucket
    finally:
        httpx.post(f"{bucket.endpoint}/moto-api/reset-auth", content=b"inf")


@pytest.mark.parametrize("part", ["serve", "web", "dimse", "worker"])
def test_a_key_that_the_store_does_not_take_ends_the_start(guarded: Bucket, tmp_path: Path, part: str) -> None:
    """A wrong access key is one line, before the database is made."""
    assert started(tmp_path, part, guarded.settings) == (1, f"healix: {connection.WRONG_KEY}\n")
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_bucket_that_is_missing_ends_the_start(bucket: Bucket, tmp_path: Path) -> None:
    """So is a bucket that is not there."""
    settings = bucket.settings | {"blob_url": "s3://missing-bucket"}
    assert started(tmp_path, "serve", settings) == (1, f"healix: {connection.UNKNOWN_BUCKET}\n")


def started(directory: Path, part: str, settings: dict[str, str]) -> tuple[int, str]:
    """The exit code of a part, and what it said."""
    code, _, errors = refused(part, directory / "data", **settings)
    return code, errors
