"""The viewer's files as the server sends them, its own scripts among them, and the link that other programs follow."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import httpx
import pytest

from tests.support.live_server import live_server

INVOKE = "/ohif/IHEInvokeImageDisplay"
HASHED = "app.bundle.096daabbdde29bd851ab.js"


@pytest.fixture(scope="module")
def installed(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server with a viewer of two files, one of them compressed."""
    directory = tmp_path_factory.mktemp("data")
    viewer = directory / "viewer"
    viewer.mkdir()
    (viewer / "index.html").write_text("<!doctype html>")
    (viewer / HASHED).write_text("run()")
    (viewer / f"{HASHED}.gz").write_bytes(gzip.compress(b"run()"))
    with live_server(module_database_url, directory) as server, server.client() as client:
        yield client


@pytest.mark.spec("IHE RAD TF-2 4.106 Invoke Image Display")
@pytest.mark.parametrize(
    ("query", "status", "to"),
    [
        ("requestType=STUDY&studyUID=1.2.3", 302, "/ohif/viewer?StudyInstanceUIDs=1.2.3"),
        ("requestType=STUDY&studyUID=1.2.3,1.2.4", 302, "/ohif/viewer?StudyInstanceUIDs=1.2.3,1.2.4"),
        ("requestType=STUDY&studyUID=//evil.example", 400, None),
        ("requestType=STUDY", 400, None),
        ("requestType=PATIENT&studyUID=1.2.3", 400, None),
        ("studyUID=1.2.3", 400, None),
    ],
)
def test_invoking_the_display(installed: httpx.Client, query: str, status: int, to: str | None) -> None:
    """Who names studies is led to the viewer with them; what else the profile knows is refused."""
    answer = installed.get(f"{INVOKE}?{query}")
    assert (answer.status_code, answer.headers.get("location")) == (status, to)


@pytest.mark.parametrize(("name", "told"), [("init-service-worker.js", "register("), ("media-worker.js", "Bearer")])
def test_scripts_of_the_server(installed: httpx.Client, name: str, told: str) -> None:
    """The viewer's page gets the server's own service worker, which may control all of the viewer."""
    answer = installed.get(f"/ohif/{name}")
    assert told in answer.text
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["service-worker-allowed"] == "/ohif"


@pytest.mark.spec("RFC 9110 8.4")
@pytest.mark.parametrize(("accepted", "coding"), [("gzip, zstd", "gzip"), ("identity", None), ("gzip;q=0", None)])
def test_files_are_sent_compressed(installed: httpx.Client, accepted: str, coding: str | None) -> None:
    """A file that was compressed at installation is sent so to who takes it, in its own media type."""
    answer = installed.get(f"/ohif/{HASHED}", headers={"Accept-Encoding": accepted})
    assert answer.text == "run()"
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["vary"] == "Accept-Encoding"


def test_documents_and_isolation(installed: httpx.Client) -> None:
    """The viewer's page may show documents that it has got, and shares memory with its workers; others may not frame
    it.
    """
    headers = installed.get("/ohif/").headers
    policy = headers["content-security-policy"]
    assert "object-src 'self' blob:; frame-src 'self' blob:" in policy
    assert "frame-ancestors 'self'" in policy
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
