"""Other makers' senders against the whole service: rows, blobs and audit trail asserted."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom.uid import UID, CTImageStorage, generate_uid
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassCommonExtendedNegotiation, SOPClassExtendedNegotiation

from dicomweb.dimse.limits import Limits
from dicomweb.study.retrieve import Instance, select
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.settings import Settings
from smart_auth.access import internal
from tests.support.ct import ct_image
from tests.support.dimse import CT, VERIFICATION, Peer, p_data, store
from tests.support.dimse_service import serving_dimse
from tests.support.serve import wait_until
from tests.support.tools import require_tool

Pool = ConnectionPool[Connection[Row]]
LIMITS = Limits(drain=2, data_set=64 << 20)
WAYS = {
    "explicit little endian": ("", "-xe"),
    "implicit little endian": ("", "-xi"),
    "explicit big endian": ("", "-xb"),
    "deflated": ("dcmconv +td", "-xd"),
    "RLE": ("dcmcrle", "-xr"),
    "JPEG lossless": ("dcmcjpeg", "-xs"),
    "JPEG-LS lossless": ("dcmcjpls", "-xt"),
}


@dataclass
class Archive:
    """A running service and what is behind it."""

    port: int
    pool: Pool
    data_dir: Path

    def instances(self, study: str) -> list[Instance]:
        """The rows of a study."""
        keys = [("StudyInstanceUID", [study])]
        return transaction(self.pool, lambda: select(internal("test"), keys))

    def files(self) -> list[Path]:
        """Every file of the image archive, half-received ones too."""
        return [path for path in (self.data_dir / "images").rglob("*") if path.is_file()]

    def trail(self) -> list[Row]:
        """What the audit trail says of associations and objects."""
        with self.pool.connection() as connection:
            return connection.execute(
                """SELECT subtype, outcome, client, address FROM audit_event
                   WHERE subtype IN ('A-ASSOCIATE', 'C-STORE') ORDER BY seq"""
            ).fetchall()


@pytest.fixture
def archive(pool: Pool, tmp_path: Path) -> Iterator[Archive]:
    """The service on a port of its own, with the peer MODALITY."""
    settings = replace(Settings(), data_dir=tmp_path / "data")
    with serving_dimse(settings, pool, LIMITS) as port:
        yield Archive(port, pool, settings.data_dir)


def send(
    archive: Archive, *paths: Path, options: str = "-xe", calling: str = "MODALITY", called: str = "HEALIX"
) -> int:
    """Send files with dcmtk; the exit code."""
    tool = require_tool("storescu")
    command = [
        tool,
        "-aet",
        calling,
        "-aec",
        called,
        *options.split(),
        "127.0.0.1",
        str(archive.port),
        *map(str, paths),
    ]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode


@pytest.mark.parametrize("way", WAYS)
def test_transfer_syntaxes(archive: Archive, tmp_path: Path, way: str) -> None:
    """An object sent in each transfer syntax is archived in it, with the pixels that were sent, and audited."""
    study = generate_uid(prefix=None)
    path = tmp_path / "image.dcm"
    image = ct_image(path, study=study, series=study + ".1")
    convert, options = WAYS[way]
    if convert:
        tool, *arguments = convert.split()
        subprocess.run([require_tool(tool), *arguments, path, path], check=True, timeout=60)
    assert send(archive, path, options=options) == 0
    (row,) = archive.instances(study)
    assert (row.instance, row.sop_class) == (image.SOPInstanceUID, CT)
    (blob,) = archive.files()
    kept = pydicom.dcmread(BytesIO(blob.read_bytes()))
    assert kept.file_meta.TransferSyntaxUID == row.transfer_syntax
    assert kept.file_meta.SourceApplicationEntityTitle == "MODALITY"
    if convert:
        assert kept.PixelData == pydicom.dcmread(path).PixelData
    else:
        assert (kept.pixel_array == image.pixel_array).all()
    assert archive.trail() == [
        ("A-ASSOCIATE", 0, "MODALITY", "127.0.0.1"),
        ("C-STORE", 0, "MODALITY", "127.0.0.1"),
    ]


def test_echoscu(archive: Archive) -> None:
    """The echoscu of dcmtk succeeds as a known peer, fails as an unknown one and with a wrong called title."""
    tool = require_tool("echoscu")

    def echo(calling: str, called: str) -> int:
        command = [tool, "-aet", calling, "-aec", called, "127.0.0.1", str(archive.port)]
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode

    assert echo("MODALITY", "HEALIX") == 0
    assert echo("STRANGER", "HEALIX") != 0
    assert echo("MODALITY", "ORTHANC") != 0
    assert [(client, outcome) for _, outcome, client, _ in archive.trail()] == [
        ("MODALITY", 0),
        ("STRANGER", 4),
        ("MODALITY", 4),
    ]


def test_an_object_sent_twice_is_there_once(archive: Archive, tmp_path: Path) -> None:
    """Sending the identical object again succeeds and adds nothing."""
    study = generate_uid(prefix=None)
    ct_image(tmp_path / "image.dcm", study=study, series=study + ".1")
    assert send(archive, tmp_path / "image.dcm") == 0
    assert send(archive, tmp_path / "image.dcm") == 0
    assert len(archive.instances(study)) == 1
    assert len(archive.files()) == 1


def test_unknown_caller_stores_nothing(archive: Archive, tmp_path: Path) -> None:
    """By default a caller that is no known peer is rejected."""
    study = generate_uid(prefix=None)
    ct_image(tmp_path / "image.dcm", study=study, series=study + ".1")
    assert send(archive, tmp_path / "image.dcm", calling="STRANGER") != 0
    assert archive.files() == []


def pynetdicom_store(archive: Archive, image: pydicom.Dataset) -> int:
    """Send one object with pynetdicom; the status."""
    ae = AE("MODALITY")
    ae.add_requested_context(CTImageStorage, ["1.2.840.10008.1.2.1"])
    association = ae.associate("127.0.0.1", archive.port, ae_title="HEALIX")
    assert association.is_established
    status = association.send_c_store(image)
    association.release()
    return int(status.Status)


PRIVATE = "1.2.826.0.1.3680043.9.7"


def test_a_private_storage_class(pool: Pool, tmp_path: Path) -> None:
    """By setting objects of a private class are stored; pynetdicom, which says what the class is, hears how."""
    study = generate_uid(prefix=None)
    image = ct_image(tmp_path / "image.dcm", study=study, series=study + ".1")
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = UID(PRIVATE)
    asked, told = SOPClassExtendedNegotiation(), SOPClassCommonExtendedNegotiation()
    asked.sop_class_uid, asked.service_class_application_information = UID(PRIVATE), b"\3\0\0\0\2\0"
    told.sop_class_uid, told.service_class_uid = UID(PRIVATE), UID("1.2.840.10008.4.2")
    settings = replace(Settings(), data_dir=tmp_path / "data", dimse_storage_classes=PRIVATE)
    with serving_dimse(settings, pool, LIMITS) as port:
        ae = AE("MODALITY")
        ae.add_requested_context(PRIVATE, ["1.2.840.10008.1.2.1"])
        association = ae.associate("127.0.0.1", port, ae_title="HEALIX", ext_neg=[asked, told])
        assert association.is_established
        assert association.acceptor.sop_class_extended == {PRIVATE: b"\2\0\3\0\0\0"}
        status = association.send_c_store(image)
        association.release()
    assert status.Status == 0
    assert [row.sop_class for row in Archive(port, pool, tmp_path / "data").instances(study)] == [PRIVATE]


def test_an_object_in_the_context_of_another_service(archive: Archive) -> None:
    """A C-STORE in a context that is none of storage is answered with 0122H, whatever the peer may."""
    with Peer(archive.port) as peer:
        peer.associate()
        peer.send(p_data(1, 3, store("1.2.3", sop_class=VERIFICATION)) + p_data(1, 2, b"data"))
        assert peer.status() == 0x0122
    assert archive.files() == []


def test_pynetdicom_as_sender(archive: Archive, tmp_path: Path) -> None:
    """The sender of pynetdicom gets success for a good object, and failure for one without a study."""
    study = generate_uid(prefix=None)
    image = ct_image(tmp_path / "image.dcm", study=study, series=study + ".1")
    assert pynetdicom_store(archive, image) == 0
    del image.StudyInstanceUID
    assert pynetdicom_store(archive, image) != 0
    assert len(archive.files()) == 1
    assert [outcome for subtype, outcome, _, _ in archive.trail() if subtype == "C-STORE"] == [0, 4]


def test_data_set_that_is_another_object_is_refused(archive: Archive, tmp_path: Path) -> None:
    """A data set whose SOP instance is not that of the command is refused with A900H and leaves nothing."""
    study = generate_uid(prefix=None)
    image = ct_image(tmp_path / "image.dcm", study=study, series=study + ".1")
    start = (tmp_path / "image.dcm").read_bytes().index(b"\x08\x00\x16\x00UI")
    data = (tmp_path / "image.dcm").read_bytes()[start:]
    with Peer(archive.port) as peer:
        peer.associate()
        peer.send(p_data(3, 3, store("1.2.3")) + p_data(3, 2, data))
        assert peer.status() == 0xA900
        peer.send(p_data(3, 3, store(image.SOPInstanceUID)) + p_data(3, 2, data[:-100]))
        assert peer.status() & 0xF000 == 0xC000
        peer.send(p_data(3, 3, store("../../x")) + p_data(3, 2, data))
        assert peer.status() == 0x0117
        peer.send(p_data(3, 3, store("1.2.3", sop_class="1.2.840.10008.5.1.4.1.1.4")) + p_data(3, 2, data))
        assert peer.status() == 0x0122
        peer.send(p_data(3, 3, store("1.2.3", data_set=0x0101)))
        assert peer.status() & 0xF000 == 0xC000
        assert archive.files() == []
        peer.send(p_data(3, 3, store(image.SOPInstanceUID)) + p_data(3, 2, data))
        assert peer.status() == 0
    assert len(archive.files()) == 1
    assert [outcome for subtype, outcome, _, _ in archive.trail() if subtype == "C-STORE"] == [4, 4, 4, 4, 4, 0]


@pytest.mark.parametrize("ending", [b"\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00", b""], ids=["abort", "cut"])
def test_half_an_object_leaves_nothing(archive: Archive, ending: bytes) -> None:
    """An association that ends within an object that is large enough for a file leaves none, and no row."""
    with Peer(archive.port) as peer:
        peer.associate()
        peer.send(p_data(3, 3, store("1.2.3")) + 20 * p_data(3, 0, bytes(100_000)))
        wait_until(archive.files, "the beginning of a file")
        peer.send(ending)
    wait_until(lambda: archive.files() == [], "the end of the file")
    assert [subtype for subtype, *_ in archive.trail()] == ["A-ASSOCIATE"]


def test_lost_database_is_told_as_out_of_resources(archive: Archive, tmp_path: Path) -> None:
    """When rows cannot be written the sender is told to try again, and the blob does not stay."""
    study = generate_uid(prefix=None)
    image = ct_image(tmp_path / "image.dcm", study=study, series=study + ".1")
    data = (tmp_path / "image.dcm").read_bytes()
    with Peer(archive.port) as peer:
        peer.associate()
        with archive.pool.connection() as connection:
            connection.execute("ALTER TABLE audit_event RENAME TO away")
        peer.send(p_data(3, 3, store(image.SOPInstanceUID)) + p_data(3, 2, data[data.index(b"\x08\x00\x16\x00UI") :]))
        assert peer.status() == 0xA700
        with archive.pool.connection() as connection:
            connection.execute("ALTER TABLE away RENAME TO audit_event")
    assert archive.files() == []
    assert archive.instances(study) == []
