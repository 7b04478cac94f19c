"""Images in an S3 bucket, over real sockets: stored, read in ranges, and what happens when the bucket is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import obstore
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from structlog.testing import capture_logs

from dicomweb.archive import remote
from dicomweb.archive.opening import check_archive, open_archive
from dicomweb.dimse.limits import Limits
from dicomweb.status import Reason
from dicomweb.study.sweep import sweep
from healix_fhir.kernel import bucket as connection
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.settings import Settings
from tests.support.dicom import bare, ct, data_set, part10, uid, with_pixels
from tests.support.dimse import Peer, p_data, pdu, pdv, store
from tests.support.dimse_service import serving_dimse
from tests.support.live_server import LiveServer, live_server
from tests.support.s3 import Bucket
from tests.support.stow import HEADERS, body

SCOPE = "system/ImagingStudy.crs"
STUDIES = "/dicomweb/studies"
INSTANCE = f"{STUDIES}/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}"
AS_STORED = {"Accept": "application/dicom; transfer-syntax=*"}
PIECE = 100_000


@pytest.fixture
def server(database_url: str, tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    """A web server whose images are in the bucket; it tries a request twice."""
    monkeypatch.setitem(connection.RETRIES, "max_retries", 1)
    with live_server(database_url, tmp_path / "data", **bucket.settings) as running:
        yield running


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client that stores and reads images."""
    with server.client(SCOPE) as opened:
        yield opened


@pytest.fixture
def dimse_port(server: LiveServer, pool: ConnectionPool[Connection[Row]]) -> Iterator[int]:
    """A DIMSE service over the same database and bucket."""
    with serving_dimse(server.settings, pool, Limits(drain=1)) as port:
        yield port


def stow(client: httpx.Client, *files: bytes) -> httpx.Response:
    """Store files."""
    return client.post(STUDIES, content=body(files), headers=HEADERS)


def c_store(port: int, file: bytes, instance: str) -> int:
    """Store a file by C-STORE; the status."""
    data = bare(file)
    with Peer(port) as peer:
        peer.associate()
        peer.send(p_data(3, 3, store(instance)))
        for start in range(0, len(data), PIECE):
            last = start + PIECE >= len(data)
            peer.send(pdu(4, pdv(3, 2 if last else 0, data[start : start + PIECE])))
        return peer.status()


def incoming(server: LiveServer) -> list[Path]:
    """Objects on their way in, and whatever else lies on the disk."""
    return [path for path in (server.settings.data_dir / "images").rglob("*") if path.is_file()]


def test_what_is_stored_comes_back(
    server: LiveServer, client: httpx.Client, dimse_port: int, bucket: Bucket, pool: ConnectionPool[Connection[Row]]
) -> None:
    """Objects of STOW-RS and C-STORE are blobs in the bucket and come back byte for byte; nothing stays on the disk."""
    files = [ct(1, 1, number) for number in (1, 2)]
    answer = stow(client, *files)
    assert answer.status_code == 200, answer.text
    assert c_store(dimse_port, ct(1, 1, 3), uid(1, 1, 3)) == 0
    assert client.get(INSTANCE, headers=AS_STORED).content == files[0]
    assert len(client.get(f"{STUDIES}/{uid(1)}/instances").json()) == 3
    assert client.get(f"{STUDIES}/{uid(1)}").status_code == 200
    with pool.connection() as opened:
        rows: dict[str, int] = dict(opened.execute("SELECT 'clinic/' || blob, size FROM instance").fetchall())
    assert bucket.objects() == rows
    assert incoming(server) == []


def test_a_frame_is_one_ranged_read(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large object only the frame asked for is read."""
    size, frames = 512 * 512 * 2, 30
    file = part10(with_pixels(data_set(), rows=512, columns=512, frames=frames))
    assert stow(client, file).status_code == 200
    asked: list[tuple[int, int]] = []
    get = obstore.get

    def note(store: Any, key: str, *, options: Any) -> Any:
        asked.append(options["range"])
        return get(store, key, options=options)

    monkeypatch.setattr(obstore, "get", note)
    answer = client.get(f"{INSTANCE}/frames/17", headers={"Accept": "application/octet-stream"})
    start = len(file) - (frames - 16) * size
    assert answer.content == file[start : start + size]
    assert asked == [(start, start + size)]


def test_a_large_object_goes_in_parts(client: httpx.Client, bucket: Bucket) -> None:
    """An object of several parts is put together, has a checksum, and comes back in ranges."""
    file = part10(with_pixels(data_set(), rows=1024, columns=1024, frames=11))
    assert len(file) > 2 * remote.PART
    assert stow(client, file).status_code == 200
    (key,) = bucket.objects()
    head = bucket.client().head_object(Bucket=bucket.name, Key=key, ChecksumMode="ENABLED")
    assert head["ETag"].endswith('-3"')
    assert "ChecksumSHA256" in head
    assert bucket.uploads() == 0
    assert client.get(INSTANCE, headers=AS_STORED).content == file


@pytest.mark.spec("PS3.18 10.5.3")
@pytest.mark.spec("PS3.4 B.2.3")
def test_a_bucket_that_is_away_loses_nothing(
    server: LiveServer, client: httpx.Client, dimse_port: int, bucket: Bucket
) -> None:
    """Without the bucket senders are told to come again and the rest is served; what they then send again is stored."""
    assert stow(client, ct(1)).status_code == 200
    bucket.stop()
    answer = stow(client, ct(2))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    (failed,) = answer.json()["00081198"]["Value"]
    assert failed["00081197"]["Value"] == [Reason.OUT_OF_RESOURCES]
    assert failed["00081155"]["Value"] == [uid(2, 1, 1)]
    assert c_store(dimse_port, ct(3), uid(3, 1, 1)) == Reason.OUT_OF_RESOURCES
    lost = client.get(INSTANCE, headers=AS_STORED)
    assert lost.status_code == 503
    assert bucket.name not in lost.text
    assert bucket.name not in answer.text
    assert client.get(f"{STUDIES}/{uid(1)}/metadata").status_code == 200
    assert client.get("/readyz").status_code == 200
    assert [study["0020000D"]["Value"] for study in client.get(STUDIES).json()] == [[uid(1)]]
    assert incoming(server) == []
    bucket.start()
    assert stow(client, ct(2)).status_code == 200
    assert c_store(dimse_port, ct(3), uid(3, 1, 1)) == 0
    assert client.get(INSTANCE, headers=AS_STORED).content == ct(1)
    assert len(bucket.objects()) == 3


def test_orphans_are_swept(
    server: LiveServer, client: httpx.Client, bucket: Bucket, pool: ConnectionPool[Connection[Row]]
) -> None:
    """Blobs without rows, and what a killed check left, are removed when they are old enough."""
    assert stow(client, ct(1)).status_code == 200
    kept = bucket.objects()
    for key in ("clinic/00/orphan", "clinic/check/killed"):
        bucket.client().put_object(Bucket=bucket.name, Key=key, Body=b"x")
    bucket.client().put_object(Bucket=bucket.name, Key="other/application", Body=b"x")
    archive = open_archive(server.settings)
    assert transaction(pool, lambda: sweep(archive)) == 0
    assert transaction(pool, lambda: sweep(archive, age=-10)) == 2
    assert bucket.objects() == kept | {"other/application": 1}


def test_a_blob_that_cannot_be_removed_is_left_to_the_sweep(bucket: Bucket, tmp_path: Path) -> None:
    """Clearing away is never a reason to fail."""
    archive = open_archive(Settings(data_dir=tmp_path, **bucket.settings | {"blob_endpoint": "http://127.0.0.1:9"}))
    with capture_logs() as logs:
        archive.remove(["00/blob"])
    assert [(entry["blobs"], entry["log_level"]) for entry in logs] == [(1, "warning")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"blob_url": "s3://missing-bucket/clinic"}, connection.UNKNOWN_BUCKET),
        ({"blob_url": "gs://images"}, "for s3:// in HEALIX_BLOB_URL only"),
        ({"blob_secret_key": ""}, "go together"),
        ({"blob_url": "s3://"}, "is not the URL of an object store"),
    ],
)
def test_settings_that_cannot_work_are_told_at_start(
    bucket: Bucket, tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    """A bucket that is not there, or settings that contradict each other, are one line for the operator."""
    with pytest.raises(HealixError, match=reason) as caught:
        check_archive(Settings(data_dir=tmp_path, **bucket.settings | change))
    assert "\n" not in caught.value.message


def test_a_good_bucket_is_tried_and_left_empty(bucket: Bucket, tmp_path: Path) -> None:
    """The trial at start leaves nothing."""
    check_archive(Settings(data_dir=tmp_path, **bucket.settings))
    assert bucket.objects() == {}


def test_a_bucket_that_is_away_at_start_may_come_back(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server starts without its bucket, and says so in its log."""
    monkeypatch.setitem(connection.RETRIES, "max_retries", 0)
    bucket.stop()
    with capture_logs() as logs:
        check_archive(Settings(data_dir=tmp_path, **bucket.settings))
    assert [entry["event"] for entry in logs] == ["the object store of HEALIX_BLOB_URL is away"]
    bucket.start()
