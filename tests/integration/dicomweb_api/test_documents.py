"""What is no picture: reports as pages and text, documents and videos as they are, and what cannot be shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pydicom
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.support.dicom import data_set, encapsulated, part10, uid, with_pixels
from tests.support.live_server import LiveServer
from tests.support.parts import parts
from tests.support.presentation import item
from tests.support.stow import HEADERS, body

STUDY = f"/dicomweb/studies/{uid(1)}"
INSTANCE = f"{STUDY}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}"
CLASS = "1.2.840.10008.5.1.4.1.1."
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PDF = b"%PDF-1.4\n" + bytes(range(1, 120)) * 21
MP4 = "1.2.840.10008.1.2.4.102"
EVIL = "<script>alert('x')</script> & more"


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client of an empty server."""
    with server.client("system/ImagingStudy.cruds") as opened:
        yield opened


def store(client: httpx.Client, *files: bytes) -> None:
    """Store them."""
    answer = client.post("/dicomweb/studies", content=body(files), headers=HEADERS)
    assert answer.status_code == 200, answer.text


def code(meaning: str, value: str = "1") -> list[Dataset]:
    """A coded concept."""
    return [item(CodeValue=value, CodingSchemeDesignator="DCM", CodeMeaning=meaning)]


def content(kind: str, concept: str, **elements: Any) -> Dataset:
    """A content item."""
    return item(ValueType=kind, RelationshipType="CONTAINS", ConceptNameCodeSequence=code(concept), **elements)


def report() -> Dataset:
    """A report with items of each kind, one of which tries to be markup."""
    size = item(NumericValue="23.5", MeasurementUnitsCodeSequence=code("millimeter", "mm"))
    finding = content(
        "CONTAINER", "Findings",
        ContentSequence=[
            content("TEXT", "Finding", TextValue=f"Befund: {EVIL}\nzweite Zeile"),
            content("CODE", "Laterality", ConceptCodeSequence=code("Left"), ContentSequence=[
                content("NUM", "Diameter", MeasuredValueSequence=[size])]),
            content("IMAGE", "Source", ReferencedSOPSequence=[
                item(ReferencedSOPClassUID=CLASS + "2", ReferencedSOPInstanceUID="1.2.3", ReferencedFrameNumber=4)]),
        ],
    )  # fmt: skip
    ds = data_set(1, 1, 1, SOPClassUID=CLASS + "88.33", Modality="SR", PatientName="Müller^Jörg", StudyDescription=EVIL)
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.update(content("CONTAINER", "Chest CT Report", CompletionFlag="COMPLETE", VerificationFlag="VERIFIED"))
    ds.VerifyingObserverSequence = [item(VerifyingObserverName="House^Gregory", VerificationDateTime="20260102101500")]
    ds.ContentSequence = [content("PNAME", "Person Observer", PersonName="Wilson^James"), finding]
    return ds


@pytest.mark.spec("PS3.18 8.7.4")
def test_a_report_is_a_page_to_browsers(client: httpx.Client) -> None:
    """What browsers accept gets a page of headings, concepts and values, escaped, that may load and run nothing."""
    store(client, part10(report()))
    answer = client.get(INSTANCE + "/rendered", headers={"Accept": BROWSER})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = answer.text
    for there in (
        "<h1>Chest CT Report</h1>", "Jörg Müller", "<h2>Findings</h2>", "Befund: &lt;script&gt;", "Left", "23.5 mm",
        "instance 1.2.3, frame 4", "Gregory House, 2026-01-02 10:15", "James Wilson", "2026-01-02",
    ):  # fmt: skip
        assert there in page, there
    assert "<script" not in page
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    again = client.get(INSTANCE + "/rendered", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.spec("PS3.18 8.7.4")
def test_a_report_is_xml_where_asked(client: httpx.Client) -> None:
    """The native model of the whole report, of which a browser may run nothing; in the URI service too."""
    store(client, part10(report()))
    answer = client.get(INSTANCE + "/rendered", headers={"Accept": "text/xml"})
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    root = ET.fromstring(answer.content)
    texts = [one.text for one in root.iterfind(".//DicomAttribute[@keyword='TextValue']/Value")]
    assert texts == [f"Befund: {EVIL}\nzweite Zeile"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    uids = {"requestType": "WADO", "studyUID": uid(1), "seriesUID": uid(1, 1), "objectUID": uid(1, 1, 1)}
    assert client.get("/dicomweb/wado", params=uids | {"contentType": "text/xml"}).content == answer.content


def test_a_report_is_plain_text_to_others(client: httpx.Client) -> None:
    """Text has the same, indented; a series gives a part for each of its reports."""
    store(client, part10(report()))
    text = client.get(INSTANCE + "/rendered", headers={"Accept": "text/plain"})
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert "Findings:\n  Finding: Befund" in text.text
    assert "    Diameter: 23.5 mm" in text.text
    (part,) = parts(client.get(STUDY + "/rendered", headers={"Accept": 'multipart/related; type="text/plain"'}))
    assert part.content == text.content
    assert client.get(INSTANCE + "/rendered", headers={"Accept": "image/png"}).status_code == 406
    assert client.get(INSTANCE + "/rendered", params={"window": "1,2"}).status_code == 400
    small = client.get(INSTANCE + "/thumbnail")
    assert (small.status_code, small.json()["error"]) == (406, "there is no thumbnail of a report")
    uids = {"requestType": "WADO", "studyUID": uid(1), "seriesUID": uid(1, 1), "objectUID": uid(1, 1, 1)}
    assert client.get("/dicomweb/wado", params=uids).headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("name", ["test-SR.dcm", "reportsi.dcm"])
def test_reports_of_others_are_shown(client: httpx.Client, name: str) -> None:
    """Each text of a report that another program wrote is on the page."""
    file = Path(pydicom.__file__).parent / "data" / "test_files" / name
    ds = dcmread(file)
    store(client, file.read_bytes())
    address = f"/dicomweb/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"
    page = client.get(address + "/rendered", headers={"Accept": "text/html"}).text
    texts = [str(element.value) for element in ds.iterall() if element.keyword == "TextValue"]
    assert texts
    assert all(text.strip().split("\n")[0][:40].replace("&", "&amp;") in page for text in texts)


@pytest.mark.spec("PS3.18 8.7.4")
@pytest.mark.parametrize("size", [None, len(PDF)])
def test_a_document_is_given_as_it_is(client: httpx.Client, size: int | None) -> None:
    """An encapsulated PDF comes as one, in ranges too, without the byte that pads it where its length is told."""
    ds = data_set(
        1, 1, 1, SOPClassUID=CLASS + "104.1", Modality="DOC", MIMETypeOfEncapsulatedDocument="application/pdf"
    )
    ds.EncapsulatedDocument = PDF + b"\0" * (len(PDF) % 2)
    if size:
        ds.EncapsulatedDocumentLength = size
    store(client, part10(ds))
    answer = client.get(INSTANCE + "/rendered", headers={"Accept": BROWSER})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.content == (PDF if size else ds.EncapsulatedDocument)
    part = client.get(INSTANCE + "/rendered", headers={"Accept": "application/pdf", "Range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, b"%PDF-1.4")
    value = INSTANCE + "/bulkdata/00420011"
    assert client.get(value, params={"accept": "application/pdf"}).content == answer.content
    assert client.get(value, headers={"Accept": "application/octet-stream"}).content == ds.EncapsulatedDocument
    (whole,) = parts(client.get(value, headers={"Accept": 'multipart/related; type="application/pdf"'}))
    assert (whole.kind, whole.content) == ("application/pdf", answer.content)
    assert client.get(value, headers={"Accept": "image/png"}).status_code == 406


@pytest.mark.spec("PS3.18 8.7.4")
def test_a_video_is_played_from_anywhere(client: httpx.Client) -> None:
    """An MP4 comes as it is, with ranges over its fragments; another stream is refused with where it is."""
    fragments = [b"\0\0\0\x18ftypmp42" + bytes(100), bytes(range(200))]
    store(client, encapsulated(with_pixels(data_set(), bits=8), fragments, syntax=MP4, count=25))
    whole = b"".join(fragments)
    answer = client.get(INSTANCE + "/rendered", headers={"Accept": "video/*"})
    assert (answer.headers["content-type"], answer.content) == ("video/mp4", whole)
    part = client.get(INSTANCE + "/rendered", headers={"Range": "bytes=100-120"})
    assert (part.status_code, part.content) == (206, whole[100:121])
    stream = encapsulated(with_pixels(data_set(1, 1, 2), bits=8), [b"G" * 188], syntax=MP4, count=25)
    store(client, stream)
    refused = client.get(INSTANCE[:-1] + "2/rendered")
    assert (refused.status_code, "pixeldata" in refused.text) == (406, True)


@pytest.mark.spec("PS3.4 C.6.1.1.5.2")
def test_metadata_say_that_it_is_a_video(client: httpx.Client) -> None:
    """By its metadata a viewer knows that it has to play a video; those of pictures are what was stored."""
    video = encapsulated(with_pixels(data_set(), bits=8), [b"G" * 188], syntax=MP4, count=25)
    store(client, video, part10(with_pixels(data_set(1, 1, 2))))
    played, drawn = client.get(f"{STUDY}/metadata").json()
    assert played["00083002"] == {"vr": "UI", "Value": [MP4]}
    assert list(played) == sorted(played)
    assert played["7FE00010"]["BulkDataURI"].endswith("/bulkdata/7FE00010")
    assert "00083002" not in drawn


def test_a_study_has_each_of_its_objects_in_a_form_of_its_own(client: httpx.Client) -> None:
    """All kinds come as parts; with pictures alone accepted the others are missing, which is told."""
    picture = with_pixels(data_set(1, 2, 1))
    store(client, part10(report()), part10(picture), part10(data_set(1, 3, 1, SOPClassUID=CLASS + "9.1.1")))
    both = parts(client.get(STUDY + "/rendered"))
    assert {part.kind for part in both} == {"image/jpeg", "text/html; charset=utf-8"}
    some = client.get(STUDY + "/rendered", headers={"Accept": 'multipart/related; type="image/*"'})
    assert (some.status_code, some.headers["warning"][:4], len(parts(some))) == (206, "299 ", 1)
    assert client.get(STUDY + "/rendered", headers={"Accept": "image/jpeg"}).status_code == 406
    waveform = client.get(f"{STUDY}/series/{uid(1, 3)}/instances/{uid(1, 3, 1)}/rendered")
    assert (waveform.status_code, "nothing to show" in waveform.text) == (406, True)
