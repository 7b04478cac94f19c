"""Storage commitment over HTTP: what is told of what is stored, of what is hidden, and of what others asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from pydicom.dataset import Dataset

from dicomweb.commitment.judge import FailureReason
from dicomweb.dicomjson.reading import read_native
from dicomweb.dicomjson.xml import native_model
from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body, file_of

JSON = {"Content-Type": "application/dicom+json"}
XML = {"Content-Type": "application/dicom+xml", "Accept": "application/dicom+xml"}
ADDRESS = "/dicomweb/commitment-requests/{}"
TRANSACTION = "1.2.826.0.1.3680043.10.1714.78.1"


@pytest.fixture
def client(server: LiveServer, study: list[Dataset]) -> Iterator[httpx.Client]:
    """A modality whose images are stored."""
    with server.client("system/ImagingStudy.cruds", client="modality") as opened:
        opened.post("/dicomweb/studies", content=body([file_of(one) for one in study]), headers=HEADERS)
        yield opened


def named(*instances: Dataset, sop_class: str | None = None) -> dict[str, Any]:
    """A request that names instances."""
    found = [
        {
            "00081150": {"vr": "UI", "Value": [sop_class or str(one.SOPClassUID)]},
            "00081155": {"vr": "UI", "Value": [str(one.SOPInstanceUID)]},
        }
        for one in instances
    ]
    return {"00081199": {"vr": "SQ", "Value": found}}


def told(content: dict[str, Any]) -> tuple[list[str], list[tuple[str, int]]]:
    """The instances that are committed, and those that failed with their reasons."""
    kept, failed = (content.get(tag, {}).get("Value", []) for tag in ("00081199", "00081198"))
    return (
        [one["00081155"]["Value"][0] for one in kept],
        [(one["00081155"]["Value"][0], one["00081197"]["Value"][0]) for one in failed],
    )


@pytest.mark.spec("PS3.18 13.4")
@pytest.mark.spec("PS3.18 J.2")
def test_what_is_stored_is_committed(client: httpx.Client, study: list[Dataset]) -> None:
    """All three of a stored study are committed, in the order in which they were named, and nothing fails."""
    answer = client.post(ADDRESS.format(TRANSACTION), json=named(*study), headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/dicom+json")
    assert answer.headers["content-location"].endswith(ADDRESS.format(TRANSACTION))
    assert told(answer.json()) == ([one.SOPInstanceUID for one in study], [])
    assert "00081195" not in answer.json()


@pytest.mark.spec("PS3.18 13.5")
def test_the_result_is_true_when_it_is_told(client: httpx.Client, study: list[Dataset]) -> None:
    """Asked for later, the result is what holds then: what was deleted meanwhile has failed."""
    client.post(ADDRESS.format(TRANSACTION), json=named(*study), headers=JSON)
    first = study[0]
    path = f"/dicomweb/studies/{first.StudyInstanceUID}/series/{first.SeriesInstanceUID}/instances"
    assert client.delete(f"{path}/{first.SOPInstanceUID}").status_code == 204
    answer = client.get(ADDRESS.format(TRANSACTION))
    missing = [(first.SOPInstanceUID, FailureReason.NO_SUCH_OBJECT_INSTANCE)]
    assert (answer.status_code, told(answer.json())) == (200, ([one.SOPInstanceUID for one in study[1:]], missing))


@pytest.mark.spec("PS3.18 13.4")
def test_in_xml(client: httpx.Client, study: list[Dataset]) -> None:
    """A request in the Native DICOM Model is answered in it."""
    content = native_model(msgspec.json.encode(named(*study[:1])))
    answer = client.post(ADDRESS.format(TRANSACTION), content=content, headers=XML)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/dicom+xml")
    assert told(read_native(answer.content)) == ([study[0].SOPInstanceUID], [])


@pytest.mark.spec("PS3.18 13.4")
def test_a_transaction_uid_is_used_once_by_each(server: LiveServer, client: httpx.Client, study: list[Dataset]) -> None:
    """The second request of one app is 409, whatever it names; another app has its own, and sees not that of others."""
    address = ADDRESS.format(TRANSACTION)
    assert client.post(address, json=named(*study), headers=JSON).status_code == 200
    assert [client.post(address, json=named(one), headers=JSON).status_code for one in study] == [409] * 3
    with server.client("system/ImagingStudy.cruds", client="other") as other:
        assert other.get(address).status_code == 404
        assert other.post(address, json=named(study[0]), headers=JSON).status_code == 200
        assert told(other.get(address).json()) == ([study[0].SOPInstanceUID], [])
    assert told(client.get(address).json())[0] == [one.SOPInstanceUID for one in study]


@pytest.mark.spec("PS3.18 13.4")
def test_nothing_is_committed_that_the_caller_may_not_see(
    server: LiveServer, client: httpx.Client, study: list[Dataset]
) -> None:
    """A patient's app is told of the images of another patient what it is told of images that are not there."""
    del client
    with server.client("patient/ImagingStudy.rs", patient="somebody") as app:
        answer = app.post(ADDRESS.format(TRANSACTION), json=named(*study), headers=JSON)
    reason = FailureReason.NO_SUCH_OBJECT_INSTANCE
    assert (answer.status_code, told(answer.json())) == (200, ([], [(one.SOPInstanceUID, reason) for one in study]))


@pytest.mark.spec("PS3.18 13.4")
@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        (JSON, b"{}", 400),
        (JSON, b'{"00081199": {"vr": "SQ", "Value": [{}]}}', 400),
        (JSON, b'{"00081110": {"vr": "SQ", "Value": []}, "00081199": {"vr": "SQ", "Value": []}}', 400),
        (JSON, b"nothing", 400),
        ({"Content-Type": "application/dicom"}, b"", 415),
        ({}, b"{}", 415),
        (JSON | {"Accept": "image/png"}, b"{}", 406),
    ],
)
def test_what_is_malformed_is_refused(
    client: httpx.Client, headers: dict[str, str], content: bytes, status: int
) -> None:
    """What names no instance, is in no form that is read, or is to be answered in none; nothing is kept of it."""
    assert client.post(ADDRESS.format(TRANSACTION), content=content, headers=headers).status_code == status
    assert client.get(ADDRESS.format(TRANSACTION)).status_code == 404


def test_who_may_ask(server: LiveServer, client: httpx.Client, study: list[Dataset]) -> None:
    """Without a token 401, without the right to read 403; both asking and checking."""
    address = ADDRESS.format(TRANSACTION)
    with httpx.Client(base_url=str(client.base_url)) as nobody:
        assert nobody.post(address, json=named(*study), headers=JSON).status_code == 401
    with server.client("system/ImagingStudy.c") as sender:
        assert sender.post(address, json=named(*study), headers=JSON).status_code == 403
        assert sender.get(address).status_code == 403


def test_it_is_on_record(server: LiveServer, client: httpx.Client, study: list[Dataset]) -> None:
    """What was told is in the audit trail, with the transaction and how many were committed; the refusal too."""
    client.post(ADDRESS.format(TRANSACTION), json=named(*study), headers=JSON)
    client.get(ADDRESS.format(TRANSACTION))
    with server.client("system/ImagingStudy.c") as sender:
        sender.get(ADDRESS.format(TRANSACTION))
    with psycopg.connect(server.settings.database_url) as connection:
        rows = connection.execute(
            "SELECT action, entity, query, outcome FROM audit_event WHERE subtype = 'storage-commitment' ORDER BY seq"
        ).fetchall()
    said = ("E", TRANSACTION, "3 committed, 0 failed", 0)
    assert rows[:2] == [said, said]
    assert [outcome for *_, outcome in rows[2:]] == [4]
