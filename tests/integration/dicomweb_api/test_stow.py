"""STOW-RS over a real socket: what is taken, what is refused, and that nothing of the refused stays."""

from __future__ import annotations

import errno
import gzip
import os
import socket
from pathlib import Path

import httpx
import psycopg
import pytest
import zstandard
from psycopg.errors import DiskFull
from pydicom.dataset import Dataset
from pydicom.uid import MediaStorageDirectoryStorage, generate_uid
from structlog.testing import capture_logs

from dicomweb.study import store as rooms
from tests.support.ct import ct_image
from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body, file_of

FAILURE, UNDERSTAND, MISMATCH = "00081197", 0xC000, 0xA900


def store(server: LiveServer, content: bytes, path: str = "/dicomweb/studies", **headers: str) -> httpx.Response:
    """Send a body; headers are given as keywords and replace the usual ones."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    with server.client("system/ImagingStudy.cruds") as client:
        return client.post(path, content=content, headers=HEADERS | given)


def stored(server: LiveServer) -> int:
    """How many instances the server holds."""
    with server.client("system/ImagingStudy.s") as client:
        return len(client.get("/dicomweb/instances").json())


def left_behind(server: LiveServer) -> int:
    """How many files the archive holds."""
    return sum(path.is_file() for path in (server.settings.data_dir / "images").rglob("*"))


@pytest.mark.spec("PS3.18 10.5.3")
def test_instances_are_taken_from_a_body_with_preamble_quoted_boundary_and_epilogue(
    server: LiveServer, study: list[Dataset]
) -> None:
    """All parts are stored, and the same again is no error and no second copy."""
    for _ in range(2):
        answer = store(server, body([file_of(one) for one in study]))
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/dicom+json"
        assert len(answer.json()["00081199"]["Value"]) == 3
    assert (stored(server), left_behind(server)) == (3, 3)


@pytest.mark.spec("RFC 9110 7.6.3")
def test_instances_know_through_which_servers_they_came(
    server: LiveServer, study: list[Dataset], database_url: str
) -> None:
    """What `Via` names is kept with each instance, so that routes do not send in circles."""
    assert store(server, body([file_of(study[0])]), Via="1.1 a:443, 1.1 b:443").status_code == 200
    assert store(server, body([file_of(study[1])])).status_code == 200
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT via, source FROM instance ORDER BY pk").fetchall()
    assert rows == [(["a:443", "b:443"], None), (None, None)]


@pytest.mark.spec("RFC 9110 8.4")
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_may_come_compressed(server: LiveServer, study: list[Dataset], coding: str) -> None:
    """Its objects are stored as if it had not; one that is cut off is refused, and one of another coding by name."""
    plain = body([file_of(one) for one in study])
    packed = gzip.compress(plain) if coding == "gzip" else zstandard.ZstdCompressor().compress(plain)
    assert store(server, packed[:-30], Content_Encoding=coding).status_code == 400
    assert store(server, packed, Content_Encoding="br").status_code == 415
    assert len(packed) < len(plain)
    answer = store(server, packed, Content_Encoding=coding)
    assert answer.status_code == 200, answer.text
    assert (stored(server), left_behind(server)) == (3, 3)


@pytest.mark.spec("PS3.18 10.5.3")
def test_parts_that_are_refused_make_no_files(server: LiveServer, study: list[Dataset]) -> None:
    """What is small and no object is judged in memory."""
    made: list[object] = []
    opened = os.open

    def noted(path: object, *rest: object) -> int:
        made.append(path)
        return opened(path, *rest)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", noted)
        answer = store(server, body([b"no DICOM file"] * 50 + [file_of(study[0])[:-1000]]))
        assert answer.status_code == 409
        assert len(answer.json()["0008119A"]["Value"]) == 50
        assert [path for path in made if "incoming" in str(path)] == []


@pytest.mark.spec("PS3.18 I.2")
def test_one_bad_part_does_not_hold_up_the_others(server: LiveServer, study: list[Dataset]) -> None:
    """Some stored and some not is 202; what could not be read is reported with its reason, and by its UIDs where its
    File Meta Information came through.
    """
    good = file_of(study[0])
    answer = store(server, body([good, b"no DICOM file", good[:-1000], file_of(study[1])]))
    assert answer.status_code == 202
    assert len(answer.json()["00081199"]["Value"]) == 2
    (cut,), (other,) = (answer.json()[tag]["Value"] for tag in ("00081198", "0008119A"))
    assert cut["00081155"]["Value"] == [study[0].SOPInstanceUID]
    assert cut[FAILURE]["Value"] == other[FAILURE]["Value"] == [UNDERSTAND]
    assert "00081155" not in other
    assert (stored(server), left_behind(server)) == (2, 2)


@pytest.mark.spec("PS3.18 10.5.3")
def test_why_objects_are_refused_is_told_in_words(server: LiveServer, study: list[Dataset]) -> None:
    """A Failure Reason tells the kind alone: the words are in a Warning header, each once with how many it meets and
    the first of them, and in the log; also where an object was whole, and the store refused it.
    """
    assert store(server, body([file_of(study[0])])).status_code == 200
    for one in study[1:]:
        one.PatientID = "SOMEBODY^ELSE"
    with capture_logs() as logs:
        answer = store(server, body([b"no DICOM file", *map(file_of, study[1:])]))
    assert answer.status_code == 409
    told = answer.headers["warning"]
    assert told.startswith("299 ")
    assert f"differ from those of the study (2, the first {study[1].SOPInstanceUID})" in told
    assert " (1)" in told
    refused = {log.get("entity"): log["reason"] for log in logs if log["event"] == "object refused"}
    assert refused.keys() == {None, study[1].SOPInstanceUID, study[2].SOPInstanceUID}
    assert "PatientID" in refused[study[2].SOPInstanceUID]


@pytest.mark.spec("PS3.18 10.5.3")
def test_what_is_wrong_with_an_object_is_named(server: LiveServer, study: list[Dataset]) -> None:
    """Which UID is not that of the header and what both are; which one there is not; and that a directory of a medium
    is none of its objects.
    """
    other, without, directory = study
    within, header = str(other.SOPInstanceUID), "1.2.3" + "0" * (len(other.SOPInstanceUID) - 5)
    apart = file_of(other).replace(within.encode(), header.encode(), 1)  # the first is in the File Meta Information
    del without.StudyInstanceUID
    directory.SOPClassUID = directory.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    told = store(server, body([apart, file_of(without), file_of(directory)])).headers["warning"]
    assert f"the SOPInstanceUID of the data set is not that of its header: {within}, but {header}" in told
    assert "StudyInstanceUID is missing" in told
    assert "this is a DICOMDIR" in told


@pytest.mark.spec("PS3.18 10.5.1")
def test_a_study_takes_only_its_own_instances(server: LiveServer, study: list[Dataset], tmp_path: Path) -> None:
    """Stored into a study's address, an instance of another study is refused by name and leaves nothing."""
    other = ct_image(tmp_path / "other.dcm", study=str(generate_uid(prefix=None)), series="1.2.3", number=9)
    path = f"/dicomweb/studies/{study[0].StudyInstanceUID}"
    answer = store(server, body([file_of(other)]), path)
    assert answer.status_code == 409
    (failed,) = answer.json()["00081198"]["Value"]
    assert failed["00081155"]["Value"] == [other.SOPInstanceUID]
    assert failed[FAILURE]["Value"] == [MISMATCH]
    assert (stored(server), left_behind(server)) == (0, 0)
    assert store(server, body([file_of(study[0])]), path).status_code == 200


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (body([b"x"], end=b""), {}, 400),
        (b"no boundary at all", {}, 400),
        (b"", {}, 400),
        (body([]), {}, 400),
        (body([b"x"]), {"Content_Type": 'multipart/related; type="application/dicom"'}, 400),
        (body([b"x"]), {"Content_Type": f'multipart/related; type="application/dicom"; boundary="{"b" * 71}"'}, 400),
        (body([b"x"]), {"Content_Type": "application/dicom"}, 409),
        (body([b"x"]), {"Content_Type": "image/png"}, 415),
        (body([b"x"]), {"Content_Type": ""}, 415),
        (body([b"x"]), {"Content_Type": 'multipart/related; type="image/png"; boundary=b'}, 415),
        (body([b"{}"], kind="application/dicom+json"), {}, 415),
        (body([b"x"]), {"Content_Encoding": "br"}, 415),
        (body([b"x"]), {"Accept": "text/html"}, 406),
        (body([b"x" * 5000]), {}, 409),
    ],
)
def test_what_is_no_store_request_is_refused_and_leaves_nothing(
    server: LiveServer, content: bytes, headers: dict[str, str], status: int
) -> None:
    """Malformed bodies, missing boundaries and other types are refused with a reason."""
    answer = store(server, content, **headers)
    assert answer.status_code == status, answer.text
    assert answer.json()
    assert left_behind(server) == 0


@pytest.mark.parametrize("uid", ["1.2.x", "..%2f..%2fetc", "1." * 40 + "1", "01.2"])
def test_an_address_that_is_no_uid_is_refused(server: LiveServer, uid: str) -> None:
    """A UID in the path is checked before anything is read."""
    assert store(server, body([b"x"]), f"/dicomweb/studies/{uid}").status_code in (400, 404)


def test_a_connection_cut_in_the_middle_leaves_nothing(server: LiveServer, study: list[Dataset]) -> None:
    """What had arrived of an instance when the caller vanished is dropped."""
    token = server.token("system/ImagingStudy.c")
    content = body([file_of(study[0])])
    head = (
        f"POST /dicomweb/studies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {HEADERS['Content-Type']}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection(server.address, timeout=5) as connection:
        connection.sendall(head.encode() + content[:-2000])
    for _ in range(100):
        if left_behind(server) == 0:
            break
    assert (stored(server), left_behind(server)) == (0, 0)


@pytest.mark.spec("PS3.10 7.1")
def test_a_preamble_is_zeroed(server: LiveServer, study: list[Dataset]) -> None:
    """What stands before the prefix DICM may make the file a program or a picture; all behind it stays as it is."""
    file = b"MZ" + b"\x90" * 126 + file_of(study[0])[128:]
    assert store(server, body([file])).status_code == 200
    with server.client("system/ImagingStudy.r") as client:
        url = f"/dicomweb/studies/{study[0].StudyInstanceUID}/series/{study[0].SeriesInstanceUID}/instances/"
        found = client.get(url + str(study[0].SOPInstanceUID), headers={"Accept": "application/dicom"}).content
    assert (found[:128], found[128:]) == (bytes(128), file[128:])


@pytest.mark.spec("PS3.18 8.5")
@pytest.mark.spec("PS3.18 I.2.2")
def test_a_full_disk_is_told_and_leaves_nothing(
    server: LiveServer, study: list[Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without room nothing is stored: 507 and the reason A700; when the first still fits it is 202. Nothing of the rest
    stays, and with room again the same request is taken.
    """
    files = [file_of(one) for one in study]
    real, left = os.write, [0]

    def write(descriptor: int, data: memoryview) -> int:
        if len(data) > left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= len(data)
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    answer = store(server, body(files))
    assert answer.status_code == 507
    failed = answer.json()["00081198"]["Value"]
    assert [item[FAILURE]["Value"] for item in failed] == [[0xA700]] * 3
    assert (stored(server), left_behind(server)) == (0, 0)
    left[0] = len(files[0])
    answer = store(server, body(files))
    assert answer.status_code == 202
    assert len(answer.json()["00081198"]["Value"]) == 2
    assert (stored(server), left_behind(server)) == (1, 1)
    left[0] = 1 << 30
    assert store(server, body(files)).status_code == 200
    assert (stored(server), left_behind(server)) == (3, 3)


def test_a_database_without_room_leaves_no_files(
    server: LiveServer, study: list[Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects whose rows find no room are refused with 507 at once, and their files are removed."""

    def full(*_: object) -> object:
        raise DiskFull("could not extend file")

    monkeypatch.setattr(rooms, "store_new", full)
    answer = store(server, body([file_of(study[0])]))
    assert answer.status_code == 507
    assert "extend" not in answer.text
    assert left_behind(server) == 0
