"""The DICOMweb edge as `dicomweb-client` uses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from dicomweb_client.api import DICOMwebClient
from dicomweb_client.session_utils import create_session
from pydicom.dataset import Dataset
from requests import HTTPError

from tests.support.live_server import LiveServer
from tests.support.stow import file_of


@contextmanager
def client_of(server: LiveServer, scope: str) -> Iterator[DICOMwebClient]:
    """A client with a token of `scope`."""
    with create_session() as session:
        session.headers["Authorization"] = f"Bearer {server.token(scope)}"
        yield DICOMwebClient(f"{server.url}/dicomweb", session=session)


@pytest.fixture
def client(server: LiveServer, study: list[Dataset]) -> Iterator[DICOMwebClient]:
    """A client of a server that holds the study."""
    with client_of(server, "system/ImagingStudy.crus") as opened:
        opened.store_instances(study)
        yield opened


@pytest.mark.spec("PS3.18 10.5")
def test_stored_instances_are_referenced_with_their_address(server: LiveServer, study: list[Dataset]) -> None:
    """The response names each stored instance and where it is retrieved."""
    with client_of(server, "system/ImagingStudy.c") as client:
        answer = client.store_instances(study)
    assert [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence] == [
        one.SOPInstanceUID for one in study
    ]
    assert answer.ReferencedSOPSequence[0].RetrieveURL.startswith(f"{server.url}/dicomweb/studies/")
    assert "FailedSOPSequence" not in answer


@pytest.mark.spec("PS3.18 10.6")
def test_searches_find_the_study_its_series_and_instances(client: DICOMwebClient, study: list[Dataset]) -> None:
    """All three levels are searched, alone and within those above, with filters, limit and offset."""
    uid = study[0].StudyInstanceUID
    (found,) = client.search_for_studies(search_filters={"PatientID": "P1", "StudyDate": "20260101-20260131"})
    assert found["0020000D"]["Value"] == [uid]
    assert found["00201208"]["Value"] == [3]
    assert len(client.search_for_series(uid)) == 2
    assert len(client.search_for_series(search_filters={"Modality": "CT"})) == 2
    assert len(client.search_for_instances(uid)) == 3
    assert len(client.search_for_instances(uid, study[0].SeriesInstanceUID)) == 2
    assert len(client.search_for_instances(limit=2)) == 2
    assert len(client.search_for_instances(limit=2, offset=2)) == 1


@pytest.mark.spec("PS3.18 10.6.3")
def test_nothing_found_is_an_empty_list(client: DICOMwebClient) -> None:
    """A search without matches is a success."""
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []


@pytest.mark.spec("PS3.18 10.4.1.1.1")
def test_whole_objects_come_back_byte_for_byte(client: DICOMwebClient, study: list[Dataset]) -> None:
    """Study, series and instance are retrieved as they were stored."""
    first = study[0]
    uids = first.StudyInstanceUID, first.SeriesInstanceUID, first.SOPInstanceUID
    assert len(client.retrieve_study(uids[0])) == 3
    assert len(client.retrieve_series(*uids[:2])) == 2
    one = client.retrieve_instance(*uids)
    assert one.PixelData == first.PixelData
    assert file_of(one) == file_of(first)


@pytest.mark.spec("PS3.18 10.4.1.1.2")
def test_metadata_of_every_level_has_no_pixels_but_says_where_they_are(
    client: DICOMwebClient, study: list[Dataset]
) -> None:
    """Metadata holds all attributes but bulk data, which is found at its BulkDataURI."""
    first = study[0]
    assert len(client.retrieve_study_metadata(first.StudyInstanceUID)) == 3
    assert len(client.retrieve_series_metadata(first.StudyInstanceUID, first.SeriesInstanceUID)) == 2
    found = client.retrieve_instance_metadata(first.StudyInstanceUID, first.SeriesInstanceUID, first.SOPInstanceUID)
    assert found["00280010"]["Value"] == [64]
    assert client.retrieve_bulkdata(found["7FE00010"]["BulkDataURI"])[0] == first.PixelData
    assert client.retrieve_bulkdata(found["7FE00010"]["BulkDataURI"], byte_range=(3, 9)) == [first.PixelData[3:10]]


@pytest.mark.spec("PS3.18 10.4.1.1.6")
def test_frames_come_as_their_pixels_in_the_order_asked(client: DICOMwebClient, study: list[Dataset]) -> None:
    """Frames are the bytes of the stored frames, in the order of the request."""
    one = study[2]
    frames = client.retrieve_instance_frames(
        one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID, frame_numbers=[2, 1]
    )
    size = 64 * 64 * 2
    assert frames == [one.PixelData[size:], one.PixelData[:size]]


@pytest.mark.parametrize("scope", ["patient/ImagingStudy.rs", "system/Patient.rs"])
def test_a_caller_who_may_not_see_a_study_finds_nothing(
    server: LiveServer, client: DICOMwebClient, study: list[Dataset], scope: str
) -> None:
    """Another patient's study is found by no search and answers like what is not there; no scope at all is 403."""
    del client
    uid = study[0].StudyInstanceUID
    patient = {"patient": "someone-else"} if scope.startswith("patient") else {}
    with server.client(scope, **patient) as other:
        found = other.get("/dicomweb/studies")
        read = other.get(f"/dicomweb/studies/{uid}")
        missing = other.get("/dicomweb/studies/1.2.3")
    if patient:
        assert (found.status_code, found.json(), read.status_code) == (200, [], 404)
        assert (read.status_code, read.content) == (missing.status_code, missing.content)
    else:
        assert (found.status_code, read.status_code) == (403, 403)


def test_an_unknown_instance_is_not_found(client: DICOMwebClient) -> None:
    """What is not there answers 404."""
    with pytest.raises(HTTPError, match="404"):
        client.retrieve_instance("1.2.3", "1.2.4", "1.2.5")
