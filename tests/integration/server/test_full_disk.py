"""A disk that is really full: a small file system of its own under the images of a running server."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dicomweb.status import Reason
from tests.support.dicom import bare, ct, uid
from tests.support.dimse import Peer, p_data, pdu, pdv, store
from tests.support.serve import Served, healix, serving

SIZE = 2 << 20
BOUNDARY = "part"
PIECE = 100_000


@pytest.fixture(scope="module")
def server(set_up: Callable[[str], Path]) -> Iterator[Served]:
    """A server whose images have two megabytes."""
    data_dir = set_up("full")
    images = data_dir / "images"
    images.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "healix-test", images], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        with serving(data_dir, "--workers", "1") as served:
            yield served
    finally:
        subprocess.run(["umount", images], check=True)


@pytest.fixture
def filler(server: Served) -> Iterator[Path]:
    """A file that leaves room for less than one image."""
    path = server.data_dir / "images" / "filler"
    path.write_bytes(bytes(SIZE - 300_000))
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def token(server: Served) -> str:
    """A token that stores and reads images."""
    return server.token("system/ImagingStudy.crs")


def files(server: Served) -> list[Path]:
    """Every file of the images but the filler."""
    return [path for path in (server.data_dir / "images").rglob("*") if path.is_file() and path.name != "filler"]


def found(server: Served, token: str, study: int) -> int:
    """How many instances of a study there are."""
    with server.client(token) as client:
        return len(client.get("/dicomweb/instances", params={"StudyInstanceUID": uid(study)}).json())


def c_store(server: Served, study: int) -> int:
    """Send one image by C-STORE; the status."""
    data = bare(ct(study))
    with Peer(server.dimse_port) as peer:
        peer.associate()
        peer.send(p_data(3, 3, store(uid(study, 1, 1))))
        for start in range(0, len(data), PIECE):
            last = start + PIECE >= len(data)
            peer.send(pdu(4, pdv(3, 2 if last else 0, data[start : start + PIECE])))
        return peer.status()


def stow(server: Served, token: str, study: int) -> tuple[int, list[int]]:
    """Send one image by STOW-RS; the status and the failure reasons."""
    body = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + ct(study)
    kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    with server.client(token) as client:
        content = body + f"\r\n--{BOUNDARY}--\r\n".encode()
        answer = client.post("/dicomweb/studies", content=content, headers={"Content-Type": kind})
    failed = [item for tag in ("00081198", "0008119A") for item in answer.json().get(tag, {}).get("Value", [])]
    return answer.status_code, [item["00081197"]["Value"][0] for item in failed]


def test_c_store(server: Served, token: str, filler: Path) -> None:
    """C-STORE is refused with A700H and leaves nothing; when there is room again the same object is stored."""
    add_peer(server)
    assert c_store(server, 81) == Reason.OUT_OF_RESOURCES
    assert files(server) == []
    assert found(server, token, 81) == 0
    filler.unlink()
    assert c_store(server, 81) == 0
    assert found(server, token, 81) == 1
    remove(server)


def test_stow(server: Served, token: str, filler: Path) -> None:
    """STOW-RS is refused with 507 and reason A700H and leaves nothing; when there is room again the same object is
    stored.
    """
    assert stow(server, token, 82) == (507, [Reason.OUT_OF_RESOURCES])
    assert files(server) == []
    assert found(server, token, 82) == 0
    filler.unlink()
    assert stow(server, token, 82) == (200, [])
    assert found(server, token, 82) == 1
    remove(server)


def add_peer(server: Served) -> None:
    """Let the sender in."""
    arguments = ("peer", "add", "MODALITY", "--host", "127.0.0.1", "--port", "104")
    assert healix(server.data_dir, *arguments).returncode == 0


def remove(server: Served) -> None:
    """Make room for the next test, whichever it is."""
    for path in files(server):
        path.unlink()
