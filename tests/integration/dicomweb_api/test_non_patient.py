"""Objects of no patient over a real socket: stored, found, retrieved and removed, by whom they are open to, and
guarded like images.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from io import BytesIO

import httpx
import psycopg
import pytest
from psycopg import Connection
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomweb.archive.opening import open_archive
from dicomweb.non_patient.models import NON_PATIENT, WORDS
from dicomweb.study import integrity
from dicomweb.study.integrity import check, damaged
from dicomweb.study.sweep import sweep
from healix_fhir.kernel.database import Row, run
from healix_fhir.server.backup.blobs import listed, read_listed
from smart_auth.store import create_user
from tests.support.dicom import ct, data_set
from tests.support.live_server import LiveServer, live_server
from tests.support.non_patient import (
    EACH,
    INVENTORY,
    file_of,
    hanging,
    implicit_file,
    instance,
    item,
    palette,
)
from tests.support.stow import HEADERS, body

ALL = "system/ImagingStudy.cruds"
VALUE = {"Accept": "application/octet-stream"}
FILE = {"Accept": "application/dicom; transfer-syntax=*"}
KEEPERS = "/dicomweb/hanging-protocols"
PALETTES = "/dicomweb/color-palettes"
PROTOCOLS = "/dicomweb/defined-procedure-protocols"
NOT_SUPPORTED, DUPLICATE, UNDERSTAND, MISMATCH = 0x0122, 0x0111, 0xC000, 0xA900


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with an object of each class."""
    with live_server(module_database_url, tmp_path_factory.mktemp("non-patient")) as running:
        with running.client(ALL) as client:
            for word, objects in EACH.items():
                answer = send(client, f"/dicomweb/{word}", *map(file_of, objects))
                assert answer.status_code == 200, answer.text
        yield running


@pytest.fixture(scope="module")
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client of a system."""
    with server.client(ALL) as opened:
        yield opened


@pytest.fixture
def connection(server: LiveServer) -> Iterator[Connection[Row]]:
    """A connection of a job."""
    with psycopg.connect(server.settings.database_url, autocommit=True) as made:
        yield made


def send(client: httpx.Client, address: str, *files: bytes) -> httpx.Response:
    """Store files."""
    return client.post(address, content=body(list(files)), headers=HEADERS)


def reasons(answer: httpx.Response) -> list[int]:
    """Why objects were refused."""
    found = [item for tag in ("00081198", "0008119A") for item in answer.json().get(tag, {}).get("Value", [])]
    return [one["00081197"]["Value"][0] for one in found]


def found(client: httpx.Client, address: str, **params: str) -> list[int]:
    """The last numbers of the UIDs of what a search finds."""
    answer = client.get(address, params={name.replace("__", "."): value for name, value in params.items()})
    assert answer.status_code == 200, answer.text
    return [int(one["00080018"]["Value"][0].rpartition(".")[2]) for one in answer.json()]


@pytest.mark.spec("PS3.18 12.4")
def test_each_class_comes_back_to_the_byte(client: httpx.Client) -> None:
    """As its file, alone and in a multipart, and as attributes, by default and as XML."""
    assert {one.SOPClassUID for objects in EACH.values() for one in objects} == NON_PATIENT - {INVENTORY}
    for word, objects in EACH.items():
        for one in objects:
            address = f"/dicomweb/{word}/{one.SOPInstanceUID}"
            assert client.get(address, headers=FILE).content == file_of(one)
            many = client.get(address, headers={"Accept": "multipart/related; type=application/dicom"})
            assert (many.status_code, file_of(one) in many.content) == (200, True)
            told = client.get(address)
            assert (told.status_code, told.headers["content-type"]) == (200, "application/dicom+json")
            assert told.headers["content-location"].endswith(address)
            assert Dataset.from_json(told.json()[0], lambda uri: client.get(uri, headers=VALUE).content) == one
            again = client.get(address, headers={"If-None-Match": told.headers["etag"]})
            assert again.status_code == 304
            xml = client.get(address, headers={"Accept": "multipart/related; type=application/dicom+xml"})
            assert (xml.status_code, one.SOPInstanceUID in xml.text) == (200, True)
            assert client.get(address, headers={"Accept": "image/png"}).status_code == 406


@pytest.mark.spec("PS3.18 12.5")
def test_stored_by_its_own_address_as_attributes_and_in_implicit(client: httpx.Client) -> None:
    """Where an address names one UID no other is taken; metadata are put together to files; a transfer syntax that is
    not taken is written anew.
    """
    answer = send(client, f"{KEEPERS}/{instance(20)}", file_of(hanging(20)), file_of(hanging(21)))
    assert (answer.status_code, reasons(answer)) == (202, [MISMATCH])
    assert answer.headers["location"].endswith(f"{KEEPERS}/{instance(20)}")
    (kept,) = answer.json()["00081199"]["Value"]
    assert kept["00081190"]["Value"] == [answer.headers["location"]]
    model = hanging(22).to_json_dict()
    answer = client.post(KEEPERS, json=[model], headers={"Content-Type": "application/dicom+json"})
    assert answer.status_code == 200, answer.text
    stored = dcmread(BytesIO(client.get(f"{KEEPERS}/{instance(22)}", headers=FILE).content))
    assert stored == hanging(22)
    assert send(client, KEEPERS, implicit_file(hanging(23))).status_code == 200
    address = f"{KEEPERS}/{instance(23)}"
    assert client.get(address, headers=FILE).content == implicit_file(hanging(23))
    usual = client.get(address, headers={"Accept": "application/dicom"})
    assert usual.headers["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert dcmread(BytesIO(usual.content)) == hanging(23)
    jpeg = {"Accept": "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.50"}
    assert client.get(address, headers=jpeg).status_code == 406
    for number in (20, 22, 23):
        assert client.delete(f"{KEEPERS}/{instance(number)}").status_code == 204


@pytest.mark.spec("PS3.18 12.6")
@pytest.mark.spec("PS3.4 C.2.2.2")
@pytest.mark.parametrize(
    ("address", "params", "expected"),
    [
        (KEEPERS, {}, [1]),
        (KEEPERS, {"HangingProtocolName": "Mammo*"}, [1]),
        (KEEPERS, {"HangingProtocolName": "MammoScreenin?"}, [1]),
        (KEEPERS, {"HangingProtocolName": "Mammo"}, []),
        (KEEPERS, {"00720006": "SITE", "HangingProtocolUserGroupName": "B*"}, [1]),
        (KEEPERS, {"HangingProtocolDefinitionSequence__Modality": "CT"}, [1]),
        (KEEPERS, {"HangingProtocolDefinitionSequence__Modality": "CT", "0072000C__Laterality": "L"}, [1]),
        (KEEPERS, {"HangingProtocolDefinitionSequence__Modality": "CT", "0072000C__Laterality": "R"}, []),
        (KEEPERS, {"HangingProtocolDefinitionSequence__AnatomicRegionSequence__CodeValue": "76752008"}, [1]),
        (PROTOCOLS, {"ContentCreatorName": "muller*"}, [6, 7]),
        (PROTOCOLS, {"ContentCreatorName": "ines", "fuzzymatching": "true"}, [6, 7]),
        (KEEPERS, {"HangingProtocolCreationDateTime": "202607-202608"}, [1]),
        (KEEPERS, {"NumberOfPriorsReferenced": "1", "NumberOfScreens": "2"}, [1]),
        (KEEPERS, {"NumberOfPriorsReferenced": "2"}, []),
        (KEEPERS, {"SOPInstanceUID": instance(1)}, [1]),
        (PALETTES, {"ContentLabel": "HOT?IRON"}, [2]),
        (PALETTES, {"SOPInstanceUID": instance(1)}, []),
        ("/dicomweb/implant-templates", {}, [3, 4, 5]),
        ("/dicomweb/implant-templates", {"Manufacturer": "acme*"}, []),
        ("/dicomweb/implant-templates", {"Manufacturer": "Acme*"}, [3, 4]),
        ("/dicomweb/implant-templates", {"EffectiveDateTime": "2025-2026", "ImplantSize": "1?"}, [3]),
        ("/dicomweb/implant-templates", {"SurgicalTechnique": "lat*"}, [4]),
        ("/dicomweb/implant-templates", {"ImplantTemplateGroupName": "Stems"}, [5]),
        ("/dicomweb/implant-templates", {"limit": "1", "offset": "1"}, [4]),
        (PROTOCOLS, {"EquipmentModality": "XA"}, [7]),
        (PROTOCOLS, {"ModelSpecificationSequence__SoftwareVersions": "1.1", "ProtocolName": "Routine*"}, [6, 7]),
        (PROTOCOLS, {"InstanceCreationDate": "20260704-20260705", "InstanceCreationTime": "1300-1800"}, [6, 7]),
        (PROTOCOLS, {"InstanceCreationDate": "20260705-20260706", "InstanceCreationTime": "1300-0800"}, []),
        (PROTOCOLS, {"InstanceCreationDate": "20260705-", "InstanceCreationTime": "1200-"}, [6, 7]),
        ("/dicomweb/protocol-approvals", {"ApprovalSubjectSequence__ReferencedSOPInstanceUID": instance(6)}, [8]),
        ("/dicomweb/protocol-approvals", {"ApprovalSubjectSequence__ReferencedSOPInstanceUID": instance(7)}, []),
    ],
)  # fmt: skip
def test_search(client: httpx.Client, address: str, params: dict[str, str], expected: list[int]) -> None:
    """By the attributes of each model, with wildcards, ranges, and several of one item of a sequence."""
    assert found(client, address, **params) == expected


@pytest.mark.spec("PS3.18 8.3.4")
def test_what_a_search_tells(client: httpx.Client) -> None:
    """The attributes of the model, more where asked, where each is, and how many are left; what is not searched by is
    ignored and named.
    """
    (one,) = client.get(KEEPERS, params={"includefield": "PartialDataDisplayHandling"}).json()
    assert "00720208" in one
    assert one["00081190"]["Value"][0].endswith(f"{KEEPERS}/{instance(1)}")
    (bare,) = client.get(KEEPERS).json()
    assert "00720208" not in bare
    (whole,) = client.get(PALETTES, params={"includefield": "all"}).json()
    assert whole["00281201"]["BulkDataURI"].endswith(f"{PALETTES}/{instance(2)}/bulkdata/00281201")
    assert len(client.get(whole["00281201"]["BulkDataURI"], headers=VALUE).content) == 2048
    cut = client.get("/dicomweb/implant-templates", params={"limit": "1"})
    assert "There are 2 additional results" in cut.headers["warning"]
    ignored = client.get(KEEPERS, params={"PatientID": "1", "RedPaletteColorLookupTableData": "x"})
    assert ignored.headers["warning"].endswith("PatientID, RedPaletteColorLookupTableData")
    for params in (
        {"limit": "x"},
        {"HangingProtocolCreationDateTime": "yesterday"},
        {"SOPInstanceUID": "../../etc"},
        {"NumberOfScreens": "two"},
    ):
        assert client.get(KEEPERS, params=params).status_code == 400, params
    assert found(client, KEEPERS, HangingProtocolName="a\0b") == []


@pytest.mark.spec("PS3.18 I.2.2")
def test_what_is_of_another_place_is_refused_and_told_so(client: httpx.Client) -> None:
    """At the address of studies it is told where objects of no patient belong; at these no image and no other category
    is taken, and no inventory anywhere.
    """
    answer = send(client, "/dicomweb/studies", file_of(hanging(30)))
    assert (answer.status_code, reasons(answer)) == (409, [NOT_SUPPORTED])
    assert "which belong to /hanging-protocols of DICOMweb (1, the first " in answer.headers["warning"]
    inventory = file_of(item(SOPClassUID=INVENTORY, SOPInstanceUID=instance(30)))
    for address in [f"/dicomweb/{word}" for word in WORDS]:
        others = [one for one in (hanging(30), palette(30)) if address not in (KEEPERS, PALETTES)]
        for file in (ct(PLACE_OF_IMAGES, 1, 1, size=8), inventory, *map(file_of, others)):
            assert reasons(send(client, address, file)) == [NOT_SUPPORTED], address
    assert reasons(send(client, KEEPERS, file_of(palette(30)))) == [NOT_SUPPORTED]
    assert client.get(f"{PALETTES}/{instance(1)}").status_code == 404
    assert client.delete(f"{PALETTES}/{instance(1)}").status_code == 404


PLACE_OF_IMAGES = 8081


@pytest.mark.spec("PS3.18 10.5.3")
def test_hostile_objects_leave_nothing(client: httpx.Client, server: LiveServer) -> None:
    """UIDs that are paths, files that end early, values without end, and a file that says it is another one."""
    before = files(server)
    lying = file_of(data_set(PLACE_OF_IMAGES, 1, 1)).replace(
        b"1.2.840.10008.5.1.4.1.1.2\0", b"1.2.840.10008.5.1.4.38.1\0\0", 1
    )
    many = hanging(30, HangingProtocolDefinitionSequence=[item(Modality="CT", Laterality="L")] * 15000)
    for file, reason in (
        (
            file_of(hanging(30)).replace(instance(30).encode(), b"../../../etc/passwd".ljust(len(instance(30)), b"x")),
            UNDERSTAND,
        ),
        (file_of(hanging(30))[:-7], UNDERSTAND),
        (file_of(hanging(30))[:200], UNDERSTAND),
        (b"x" * 400, UNDERSTAND),
        (lying, MISMATCH),
    ):
        answer = send(client, KEEPERS, file)
        assert (answer.status_code, reasons(answer)) == (409, [reason]), answer.text
    answer = send(client, KEEPERS, file_of(many))
    assert (answer.status_code, reasons(answer)) == (409, [UNDERSTAND])
    for uid in ("..%5C..%5Cetc", "1.2.", "x", "1" * 65):
        assert client.get(f"{KEEPERS}/{uid}").status_code == 400, uid
        assert client.delete(f"{KEEPERS}/{uid}").status_code == 400
        assert send(client, f"{KEEPERS}/{uid}", file_of(hanging(30))).status_code == 400
    for path in ("..%2F..%2Fetc", "00281201", "00720208/0"):
        assert client.get(f"{KEEPERS}/{instance(1)}/bulkdata/{path}").status_code == 404
    assert files(server) == before


@pytest.mark.spec("PS3.4 GG.4.2")
def test_other_content_of_a_known_uid(client: httpx.Client, server: LiveServer) -> None:
    """The same again changes nothing; another object is refused, or takes its place, where that is set."""
    before = files(server)
    assert send(client, KEEPERS, file_of(hanging(1))).status_code == 200
    other = file_of(hanging(1, "Other"))
    answer = send(client, KEEPERS, other, file_of(hanging(31)), file_of(hanging(31, "Third")))
    assert (answer.status_code, reasons(answer)) == (202, [DUPLICATE, DUPLICATE])
    assert len(files(server) - before) == 1
    assert client.delete(f"{KEEPERS}/{instance(31)}").status_code == 204
    assert client.get(f"{KEEPERS}/{instance(31)}").status_code == 404
    assert files(server) == before


def files(server: LiveServer) -> frozenset[str]:
    """The files of the archive."""
    return frozenset(str(path) for path in (server.settings.data_dir / "images").rglob("*") if path.is_file())


REQUESTS = (
    ("GET", KEEPERS),
    ("GET", f"{KEEPERS}/{instance(1)}"),
    ("GET", f"{PALETTES}/{instance(2)}/bulkdata/00281201"),
    ("POST", KEEPERS),
    ("POST", f"{KEEPERS}/{instance(40)}"),
    ("DELETE", f"{KEEPERS}/{instance(1)}"),
)


@pytest.mark.spec("PS3.18 8.5")
@pytest.mark.parametrize(
    ("scope", "owner", "open_to"),
    [
        (None, {}, None),
        ("system/Observation.cruds", {}, set()),
        ("patient/ImagingStudy.cruds", {"patient": "ines"}, set()),
        ("patient/*.cruds user/*.cruds", {"patient": "ines", "username": "ines"}, set()),
        ("user/ImagingStudy.cruds", {"username": "doc"}, {"GET"}),
        ("system/ImagingStudy.cruds?status=available", {}, set()),
        ("system/ImagingStudy.s", {}, {KEEPERS}),
        ("system/ImagingStudy.r", {}, {f"{KEEPERS}/{instance(1)}", f"{PALETTES}/{instance(2)}/bulkdata/00281201"}),
    ],
)
def test_access(server: LiveServer, scope: str | None, owner: dict[str, str], open_to: set[str] | None) -> None:
    """Systems see and keep them, clinicians look at them; nobody else, and nobody without a token."""
    people(server)
    with server.client(scope, **owner) as client:
        for method, address in REQUESTS:
            content = body([file_of(hanging(40))]) if method == "POST" else None
            answer = client.request(method, address, content=content, headers=HEADERS if content else {})
            allowed = open_to is not None and bool({method, address} & open_to) and (method == "GET")
            assert answer.status_code == (200 if allowed else 401 if open_to is None else 403), (method, address)
            if not allowed:
                assert "Mammo" not in answer.text


def people(server: LiveServer) -> None:
    """A patient with an account, and a clinician."""
    with server.client("system/*.cruds") as client, psycopg.connect(server.settings.database_url) as made:
        for who in ("Patient/ines", "Practitioner/doc"):
            kind, _, name = who.partition("/")
            assert client.put(f"/fhir/{who}", json={"resourceType": kind, "id": name}).status_code in (200, 201)
            if not made.execute("SELECT FROM account WHERE username = %s", (name,)).fetchall():
                role = "patient" if kind == "Patient" else "practitioner"
                run(made, create_user(name, role=role, fhir_user=who, password_hash="!"))


def test_what_is_on_record(client: httpx.Client, connection: Connection[Row]) -> None:
    """Each look, search and change is in the trail, and of no patient."""
    (start,) = connection.execute("SELECT coalesce(max(seq), 0) FROM audit_event").fetchall()[0]
    send(client, KEEPERS, file_of(hanging(41)))
    found(client, KEEPERS, HangingProtocolName="M*")
    client.get(f"{KEEPERS}/{instance(41)}")
    client.delete(f"{KEEPERS}/{instance(41)}")
    send(client, KEEPERS, file_of(palette(41)))
    rows = connection.execute(
        "SELECT action, subtype, outcome, entity, query, patient FROM audit_event WHERE seq > %s ORDER BY seq", (start,)
    ).fetchall()
    assert rows == [
        ("C", "STOW-RS", 0, instance(41), None, None),
        ("E", "query-non-patient", 0, None, "HangingProtocolName=M*", None),
        ("R", "retrieve", 0, instance(41), None, None),
        ("D", "delete-instances", 0, instance(41), None, None),
        ("C", "STOW-RS", 4, None, instance(41), None),
    ]


def test_their_blobs_are_guarded_like_those_of_images(
    server: LiveServer, connection: Connection[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep leaves them, a backup has them, and the integrity check reads them after all images, however few at a
    time.
    """
    archive = open_archive(server.settings)
    rows = connection.execute("SELECT blob, size, digest, instance_uid FROM non_patient_instance").fetchall()
    for blob, *_ in rows:
        path = archive.path(blob)
        assert path is not None
        os.utime(path, (time.time() - 7200,) * 2)
    assert run(connection, sweep(archive)) == 0
    with connection.transaction():
        file, count, _ = listed(connection)
    with file:
        assert {(one.key, one.size, one.digest) for one in read_listed(file)} >= {tuple(row[:3]) for row in rows}
    assert count == len(rows)
    monkeypatch.setattr(integrity, "BATCH", 3)
    broken = archive.path(rows[0][0])
    assert broken is not None
    content = broken.read_bytes()
    broken.write_bytes(content[:-1] + b"~")
    for _ in check(connection, archive, 1 << 40, now=True):
        pass
    assert [(one.instance, one.damage) for one in run(connection, damaged())] == [(rows[0][3], "corrupt")]
    (last, *_) = run(connection, integrity.runs())
    assert (last.checked, last.damaged) == (len(rows), 1)
    broken.write_bytes(content)
    for _ in check(connection, archive, 1 << 40, now=True):
        pass
    assert run(connection, damaged()) == []
