"""Objects that do not match their SOP class are stored with a warning, where that is set."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE

from dicomweb.dimse.limits import Limits
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.settings import Settings
from tests.support.dicom import data_set, part10, uid, with_pixels
from tests.support.dimse_service import CALLER, serving_dimse
from tests.support.live_server import live_server
from tests.support.stow import HEADERS, body

GEOMETRY: dict[str, Any] = {
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "ImagePositionPatient": [0, 0, 0],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "FrameOfReferenceUID": uid(5), "PixelSpacing": [1, 1],
    "RescaleIntercept": 0, "RescaleSlope": 1,
}  # fmt: skip
MISMATCH = 0xB007


def whole(number: int, **without: None) -> Dataset:
    """A CT image with all that its class requires, but for some."""
    kept = {name: value for name, value in GEOMETRY.items() if name not in without}
    return with_pixels(data_set(instance=number, **kept))


@pytest.mark.spec("PS3.18 10.5.3")
@pytest.mark.parametrize("compares", [True, False])
def test_stow_warns(database_url: str, tmp_path: Path, compares: bool) -> None:
    """202 with Warning Reason B007H for the one that lacks something; it is stored, and without the setting 200."""
    files = [part10(whole(1)), part10(whole(2, FrameOfReferenceUID=None))]
    with (
        live_server(database_url, tmp_path, compare_sop_classes=compares) as server,
        server.client("system/ImagingStudy.cruds") as client,
    ):
        answer = client.post("/dicomweb/studies", content=body(files), headers=HEADERS)
        found = client.get(f"/dicomweb/studies/{uid(1)}/instances").json()
    assert answer.status_code == (202 if compares else 200)
    reasons = [item.get("00081196", {}).get("Value") for item in answer.json()["00081199"]["Value"]]
    assert reasons == [None, [MISMATCH] if compares else None]
    assert len(found) == 2


@pytest.mark.spec("PS3.4 B.2.3")
def test_c_store_warns(pool: ConnectionPool[Connection[Row]], database_url: str, tmp_path: Path) -> None:
    """Status B007H with the attributes in the comment, and 0000H for what is whole."""
    settings = Settings(data_dir=tmp_path, database_url=database_url, compare_sop_classes=True)
    entity = AE(ae_title=CALLER)
    entity.add_requested_context("1.2.840.10008.5.1.4.1.1.2")
    with serving_dimse(settings, pool, Limits()) as port:
        association = entity.associate("127.0.0.1", port, ae_title="HEALIX")
        answers = [association.send_c_store(_sent(one)) for one in (whole(1), whole(2, FrameOfReferenceUID=None))]
        association.release()
    assert [answer.Status for answer in answers] == [0, MISMATCH]
    assert "FrameOfReferenceUID" in answers[1].ErrorComment


def _sent(ds: Dataset) -> Dataset:

    return dcmread(BytesIO(part10(ds)))
