"""The PyPI package dicomweb-client, as other people's programs use it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from requests.exceptions import HTTPError

from tests.support.dicom import ct, uid
from tests.support.serve import Served

dicomweb_client = pytest.importorskip("dicomweb_client")

STUDY = 821
SLICES = 2
SIZE = 32
SERIES = (uid(STUDY), uid(STUDY, 1))
INSTANCE = (*SERIES, uid(STUDY, 1, 1))


def originals() -> list[Dataset]:
    """The slices of one CT series."""
    return [dcmread(io.BytesIO(ct(STUDY, 1, number, size=SIZE, PatientID="P821"))) for number in range(1, SLICES + 1)]


@pytest.fixture(scope="module")
def client(served: Served) -> Any:
    """A client with a token that stores and reads images; the slices have been stored with it."""
    token = served.token("system/ImagingStudy.cruds")
    made = dicomweb_client.DICOMwebClient(f"{served.url}/dicomweb", headers={"Authorization": f"Bearer {token}"})
    answer = made.store_instances(originals())
    assert len(answer.ReferencedSOPSequence) == SLICES
    assert "FailedSOPSequence" not in answer
    return made


@pytest.mark.spec("PS3.18 10.5")
def test_store_again(client: Any) -> None:
    """Storing the same instances again is answered as stored."""
    answer = client.store_instances(originals())
    assert {item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence} == {
        uid(STUDY, 1, number) for number in range(1, SLICES + 1)
    }


@pytest.mark.spec("PS3.18 10.6")
def test_search(client: Any) -> None:
    """Studies, series and instances are found by their keys."""
    studies = client.search_for_studies(search_filters={"PatientID": "P821"}, fields=["StudyDescription"])
    series = client.search_for_series(uid(STUDY), search_filters={"Modality": "CT"})
    instances = client.search_for_instances(*SERIES, limit=1, offset=1)
    assert [Dataset.from_json(found).StudyInstanceUID for found in studies] == [uid(STUDY)]
    assert [Dataset.from_json(found).SeriesInstanceUID for found in series] == [uid(STUDY, 1)]
    assert [Dataset.from_json(found).SOPInstanceUID for found in instances] == [uid(STUDY, 1, 2)]
    assert Dataset.from_json(studies[0]).StudyDescription == "Chest"
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []


@pytest.mark.spec("PS3.18 10.4")
def test_retrieve(client: Any) -> None:
    """Studies, series and instances come back equal to what was stored."""
    assert same(client.retrieve_study(uid(STUDY)), originals())
    assert same(client.retrieve_series(*SERIES), originals())
    assert same([client.retrieve_instance(*INSTANCE)], originals()[:1])


@pytest.mark.spec("PS3.18 10.4.1.1.2")
def test_metadata(client: Any) -> None:
    """The metadata of studies, series and instances hold every element; the pixels behind their BulkDataURI."""

    def whole(instance: dict[str, Any]) -> Dataset:
        return Dataset.from_json(instance, lambda uri: bytes(client.retrieve_bulkdata(uri)[0]))

    assert same([whole(found) for found in client.retrieve_study_metadata(uid(STUDY))], originals())
    assert same([whole(found) for found in client.retrieve_series_metadata(*SERIES)], originals())
    assert same([whole(client.retrieve_instance_metadata(*INSTANCE))], originals()[:1])


@pytest.mark.spec("PS3.18 10.4.1.1.6")
def test_frames(client: Any) -> None:
    """A frame is its part of the pixel data, to the byte."""
    frames = client.retrieve_instance_frames(*INSTANCE, frame_numbers=[1])
    assert frames == [originals()[0].PixelData]


@pytest.mark.spec("PS3.18 10.4.3")
def test_absent(client: Any) -> None:
    """What is not there is answered 404."""
    with pytest.raises(HTTPError, match="404"):
        client.retrieve_study_metadata(uid(999, 999))


def same(found: list[Dataset], wanted: list[Dataset]) -> bool:
    """Whether the data sets are equal, whatever their order."""
    by_uid = {str(ds.SOPInstanceUID): ds for ds in found}
    return len(found) == len(wanted) and all(by_uid[str(ds.SOPInstanceUID)] == ds for ds in wanted)
