"""The PyPI package dicomweb-client, as other people's programs use it."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from requests.exceptions import HTTPError

from tests.support.dicom import ct, uid
from tests.support.serve import Served

dicomweb_client = pytest.importorskip("dicomweb_client")

STUDY = 829
SLICES = 2
SIZE = 32
SERIES = (uid(STUDY), uid(STUDY, 1))
INSTANCE = (*SERIES, uid(STUDY, 1, 1))


def originals() -> list[Dataset]:
    """The slices of one CT series."""
    return [dcmread(io.BytesIO(ct(STUDY, 1, number, size=SIZE, PatientID="P829"))) for number in range(1, SLICES + 1)]


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
    studies = client.search_for_studies(search_filters={"PatientID": "P829"}, fields=["StudyDescription"])
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


FILTER = {"search_filters": {"StudyInstanceUID": uid(STUDY)}}
PNG, JPEG = b"\x89PNG", b"\xff\xd8"
METHODS: dict[str, Callable[[Any], object]] = {
    "search_for_studies": lambda c: _one(c.search_for_studies(search_filters={"PatientID": "P829"}), uid(STUDY)),
    "search_for_series": lambda c: _one(c.search_for_series(uid(STUDY), get_remaining=True), uid(STUDY)),
    "search_for_instances": lambda c: len(c.search_for_instances(limit=1, get_remaining=True, **FILTER)) == SLICES,
    "retrieve_study": lambda c: same(c.retrieve_study(uid(STUDY)), originals()),
    "retrieve_series": lambda c: same(c.retrieve_series(*SERIES), originals()),
    "retrieve_instance": lambda c: same([c.retrieve_instance(*INSTANCE)], originals()[:1]),
    "iter_study": lambda c: same(list(c.iter_study(uid(STUDY))), originals()),
    "iter_series": lambda c: same(list(c.iter_series(*SERIES)), originals()),
    "retrieve_study_metadata": lambda c: len(c.retrieve_study_metadata(uid(STUDY))) == SLICES,
    "retrieve_series_metadata": lambda c: len(c.retrieve_series_metadata(*SERIES)) == SLICES,
    "retrieve_instance_metadata": lambda c: (
        c.retrieve_instance_metadata(*INSTANCE)["00080018"]["Value"][0] == INSTANCE[2]
    ),
    "retrieve_bulkdata": lambda c: c.retrieve_bulkdata(_pixels(c)) == [originals()[0].PixelData],
    "iter_bulkdata": lambda c: list(c.iter_bulkdata(_pixels(c))) == [originals()[0].PixelData],
    "retrieve_instance_frames": lambda c: c.retrieve_instance_frames(*INSTANCE, [1]) == [originals()[0].PixelData],
    "iter_instance_frames": lambda c: list(c.iter_instance_frames(*INSTANCE, [1])) == [originals()[0].PixelData],
    "retrieve_instance_rendered": lambda c: c.retrieve_instance_rendered(
        *INSTANCE, media_types=("image/png",), params={"window": "100,200,linear"}
    ).startswith(PNG),
    "retrieve_instance_frames_rendered": lambda c: c.retrieve_instance_frames_rendered(
        *INSTANCE, [1], media_types=("image/jpeg",)
    ).startswith(JPEG),
    "retrieve_series_rendered": lambda c: _refused(lambda: c.retrieve_series_rendered(*SERIES, ("image/png",)), 406),
    "store_instances": lambda c: len(c.store_instances(originals(), uid(STUDY)).ReferencedSOPSequence) == SLICES,
    "delete_instance": lambda c: _gone(c, lambda: c.delete_instance(*_extra(1)), _extra(1)),
    "delete_series": lambda c: _gone(c, lambda: c.delete_series(*_extra(2)[:2]), _extra(2)),
    "delete_study": lambda c: _gone(c, lambda: c.delete_study(_extra(3)[0]), _extra(3)),
    "lookup_keyword": lambda c: c.lookup_keyword("00100010") == "PatientName",
    "lookup_tag": lambda c: c.lookup_tag("PatientName") == "00100010",
    "set_chunk_size": lambda c: c.set_chunk_size(10**6) is None,
    "set_http_retry_params": lambda c: c.set_http_retry_params(retry=False) is None,
}
"""What each method of the client must do here; a series of several pictures is no single one, which is all it asks."""


def test_the_table_has_every_method() -> None:
    """No method of the client is left out."""
    found = inspect.getmembers(dicomweb_client.DICOMwebClient, inspect.isfunction)
    assert {name for name, _ in found if not name.startswith("_")} == METHODS.keys()


@pytest.mark.spec("PS3.18 10.4")
@pytest.mark.parametrize("method", METHODS)
def test_method(client: Any, method: str) -> None:
    """Each method does what it says."""
    assert METHODS[method](client)


def _one(found: list[dict[str, Any]], study: str) -> bool:
    """Whether one match is found, of that study."""
    return [one["0020000D"]["Value"][0] for one in found] == [study]


def _pixels(client: Any) -> str:
    """Where the pixels of the first slice are."""
    return str(client.retrieve_instance_metadata(*INSTANCE)["7FE00010"]["BulkDataURI"])


def _extra(number: int) -> tuple[str, str, str]:
    """The UIDs of an instance of a study of its own."""
    return uid(STUDY + 100 + number), uid(STUDY + 100 + number, 1), uid(STUDY + 100 + number, 1, 1)


def _gone(client: Any, delete: Callable[[], None], uids: tuple[str, str, str]) -> bool:
    """Whether an instance that has been stored is found, and no more after `delete`."""
    number = int(uids[0].rpartition(".")[2])
    client.store_instances([dcmread(io.BytesIO(ct(number, 1, 1, size=8)))])
    there = len(client.search_for_instances(uids[0]))
    delete()
    return there == 1 and client.search_for_instances(search_filters={"StudyInstanceUID": uids[0]}) == []


def _refused(call: Callable[[], object], status: int) -> bool:
    with pytest.raises(HTTPError, match=str(status)):
        call()
    return True


def same(found: list[Dataset], wanted: list[Dataset]) -> bool:
    """Whether the data sets are equal, whatever their order."""
    by_uid = {str(ds.SOPInstanceUID): ds for ds in found}
    return len(found) == len(wanted) and all(by_uid[str(ds.SOPInstanceUID)] == ds for ds in wanted)
