"""WADO-RS and QIDO-RS over a real socket: what viewers ask for, and in which form it comes."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import psycopg
import pytest
from pydicom.dataset import Dataset

from tests.support.dicom import data_set, implicit, part10, uid, with_pixels
from tests.support.live_server import LiveServer
from tests.support.query_recorder import query_recorder
from tests.support.stow import HEADERS, body, file_of

LITTLE, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
XML = 'multipart/related; type="application/dicom+xml"'
OHIF_JSON = 'application/dicom+json, multipart/related; type="application/octet-stream"'


@pytest.fixture
def client(server: LiveServer, study: list[Dataset]) -> Iterator[httpx.Client]:
    """A client of a server that holds the study."""
    with server.client("system/ImagingStudy.cruds") as opened:
        content = body([file_of(one) for one in study])
        assert opened.post("/dicomweb/studies", content=content, headers=HEADERS).is_success
        yield opened


def address(one: Dataset) -> str:
    """Where an instance is retrieved."""
    return f"/dicomweb/studies/{one.StudyInstanceUID}/series/{one.SeriesInstanceUID}/instances/{one.SOPInstanceUID}"


@pytest.mark.parametrize("path", ["{series}/metadata", "{study}/series", "{instance}/frames/1", "{instance}"])
def test_what_is_shown_costs_one_statement(client: httpx.Client, study: list[Dataset], path: str) -> None:
    """Rows, access and audit rows are one exchange with the database, also where there is much to show."""
    instance = address(study[0])
    series, _, _ = instance.partition("/instances")
    asked = path.format(instance=instance, series=series, study=series.partition("/series")[0])
    accept = {"Accept": 'application/dicom+json, multipart/related; type="application/dicom"; transfer-syntax=*, */*'}
    assert client.get(asked, headers=accept).status_code == 200
    with query_recorder() as statements:
        assert client.get(asked, headers=accept).status_code == 200
    assert len([one for one in statements if "audit_event" in one or "instance" in one]) == 1


@pytest.mark.spec("PS3.18 8.7.5")
def test_a_single_object_comes_as_itself_where_that_is_asked(client: httpx.Client, study: list[Dataset]) -> None:
    """`Accept: application/dicom` gets the stored file with length and transfer syntax; HEAD only these."""
    answer = client.get(address(study[0]), headers={"Accept": "application/dicom"})
    head = client.head(address(study[0]), headers={"Accept": "application/dicom"})
    assert answer.content == file_of(study[0])
    assert answer.headers["content-type"] == f"application/dicom; transfer-syntax={LITTLE}"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize(
    ("what", "accept", "status"),
    [
        ("", 'multipart/related; type="application/dicom"; transfer-syntax=*', 200),
        ("", f'multipart/related; type="application/dicom"; transfer-syntax={LITTLE}', 200),
        ("", "*/*", 200),
        ("", 'image/tiff, multipart/related; type="application/dicom";q=0.1', 200),
        ("", 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90', 200),
        ("", 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50', 406),
        ("", "image/png", 406),
        ("/metadata", OHIF_JSON, 200),
        ("/metadata", "application/json", 200),
        ("/metadata", "application/dicom+xml", 406),
        ("/metadata", 'multipart/related; type="application/dicom+xml"', 200),
        ("/frames/1", "multipart/related; type=application/octet-stream; transfer-syntax=*", 200),
        ("/frames/1", 'multipart/related; type="application/octet-stream"', 200),
        ("/frames/1", "application/octet-stream", 200),
        ("/frames/1", 'multipart/related; type="image/jls"', 200),
        ("/frames/1", 'multipart/related; type="image/jpeg"; transfer-syntax=1.2.840.10008.1.2.4.50', 406),
        ("/frames/2", "*/*", 404),
        ("/frames/0", "*/*", 400),
        ("/frames/1,x", "*/*", 400),
        ("/frames/%31", "*/*", 200),
        ("/bulkdata/nothing", "*/*", 404),
        ("/rendered", "*/*", 200),
        ("/rendered", 'multipart/related; type="image/png"', 200),
        ("/rendered", "image/tiff", 406),
        ("/thumbnail", "image/gif, */*;q=0.1", 200),
    ],
)
def test_representations_are_those_that_the_caller_takes(
    client: httpx.Client, study: list[Dataset], what: str, accept: str, status: int
) -> None:
    """Each address answers what Accept lists, in the header or as a parameter, or 406 with what there is."""
    by_header = client.get(address(study[0]) + what, headers={"Accept": accept})
    by_parameter = client.get(address(study[0]) + what, params={"accept": accept}, headers={"Accept": ""})
    assert (by_header.status_code, by_parameter.status_code) == (status, status), by_header.text
    if status >= 400:
        assert by_header.json()["error"]


@pytest.mark.spec("PS3.18 8.7.7")
def test_each_instance_comes_in_one_of_the_transfer_syntaxes_that_are_taken(server: LiveServer) -> None:
    """A study stored in two transfer syntaxes goes as it is to callers that name both, or `*`, else all in one."""
    files = [part10(with_pixels(data_set(1, 1, 1))), implicit(with_pixels(data_set(1, 1, 2)))]
    ranges = [f'multipart/related; type="application/dicom"; transfer-syntax={syntax}' for syntax in (LITTLE, IMPLICIT)]
    with server.client("system/ImagingStudy.cr") as client:
        assert client.post("/dicomweb/studies", content=body(files), headers=HEADERS).status_code == 200
        for accept in (", ".join(ranges), 'multipart/related; type="application/dicom"; transfer-syntax=*'):
            answer = client.get(f"/dicomweb/studies/{uid(1)}", headers={"Accept": accept})
            assert answer.status_code == 200, accept
            assert all(file in answer.content for file in files)
        one = client.get(f"/dicomweb/studies/{uid(1)}", headers={"Accept": ranges[0]})
        assert one.content.count(f"Content-Type: application/dicom; transfer-syntax={LITTLE}\r\n".encode()) == 2


def test_a_single_frame_comes_without_parts(client: httpx.Client, study: list[Dataset]) -> None:
    """One frame may be asked for as bare octets; several may not."""
    one = client.get(address(study[2]) + "/frames/2", headers={"Accept": "application/octet-stream"})
    both = client.get(address(study[2]) + "/frames/1,2", headers={"Accept": "application/octet-stream"})
    assert one.content == study[2].PixelData[64 * 64 * 2 :]
    assert both.status_code == 406


EVERYTHING = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@pytest.mark.spec("RFC 9110 13.1.2")
@pytest.mark.parametrize("what", ["", "/frames/1", "/bulkdata", "/bulkdata/7FE00010", "/pixeldata", "/metadata"])
def test_what_never_changes_is_sent_once(client: httpx.Client, study: list[Dataset], what: str) -> None:
    """Everything has a strong tag, the same each time and another for each form; who shows it gets 304."""
    first = client.get(address(study[0]) + what)
    again = client.get(address(study[0]) + what, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    other = client.get(address(study[1]) + what, headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content, other.status_code) == (200, 304, b"", 200)
    assert again.headers["etag"] == first.headers["etag"]
    assert (first.headers["cache-control"], first.headers["etag"][0]) == ("private, no-cache", '"')
    assert client.get(address(study[0]) + what).content == first.content


@pytest.mark.spec("RFC 9110 14")
@pytest.mark.parametrize(
    ("what", "accept"),
    [
        ("", "application/dicom"),
        ("", EVERYTHING),
        ("/frames/1", "application/octet-stream"),
        ("/frames/1", "*/*"),
        ("/bulkdata/7FE00010", "application/octet-stream"),
        ("/pixeldata", "*/*"),
    ],
)
def test_what_is_stored_is_served_in_ranges(client: httpx.Client, study: list[Dataset], what: str, accept: str) -> None:
    """A range is 206 with its bytes, one behind the end 416; the tag of another answer makes it the whole."""
    where = address(study[0]) + what
    whole = client.get(where, headers={"Accept": accept})
    size, tag = len(whole.content), whole.headers["etag"]
    assert (whole.headers["accept-ranges"], whole.headers["content-length"]) == ("bytes", str(size))
    for asked, first, last in (
        ("bytes=0-0", 0, 0),
        ("bytes=7-", 7, size - 1),
        ("bytes=-9", size - 9, size - 1),
        (f"bytes=100-{size + 5}", 100, size - 1),
        (f"bytes=-{size + 5}", 0, size - 1),
    ):
        part = client.get(where, headers={"Accept": accept, "Range": asked, "If-Range": tag})
        assert (part.status_code, part.content) == (206, whole.content[first : last + 1]), asked
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
        head = client.head(where, headers={"Accept": accept, "Range": asked})
        assert (head.status_code, head.content) == (206, b"")
        assert head.headers["content-length"] == str(last - first + 1)
    beyond = client.get(where, headers={"Accept": accept, "Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    for headers in (
        {"Range": "bytes=0-0", "If-Range": '"other"'},
        {"Range": "bytes=0-0,2-3"},
        {"Range": "pixels=0-1"},
        {"Range": "bytes=3-1"},
    ):
        assert client.get(where, headers=headers | {"Accept": accept}).content == whole.content


@pytest.mark.spec("RFC 9110 8.4")
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_attributes_come_compressed_to_those_who_want_it(server: LiveServer, coding: str) -> None:
    """Metadata of some size is compressed as the caller says, with a tag of its own; pixels are not."""
    many = [implicit(data_set(1, 1, number)) for number in range(1, 11)]
    with server.client("system/ImagingStudy.cr") as client:
        assert client.post("/dicomweb/studies", content=body(many), headers=HEADERS).is_success
        for accept in ("application/dicom+json", 'multipart/related; type="application/dicom+xml"'):
            headers = {"Accept": accept}
            plain = client.get(
                f"/dicomweb/studies/{uid(1)}/metadata", headers=headers | {"Accept-Encoding": "identity"}
            )
            packed = client.get(f"/dicomweb/studies/{uid(1)}/metadata", headers=headers | {"Accept-Encoding": coding})
            assert "content-encoding" not in plain.headers
            assert packed.headers["content-encoding"] == coding
            assert int(packed.headers["content-length"]) < len(plain.content)
            assert packed.content == plain.content
            assert packed.headers["etag"] != plain.headers["etag"]
            assert "Accept-Encoding" in packed.headers["vary"]
        pixels = client.get(f"/dicomweb/studies/{uid(1)}", headers={"Accept-Encoding": coding})
        assert "content-encoding" not in pixels.headers


@pytest.mark.spec("PS3.18 8.3.4.3")
def test_metadata_is_narrowed_to_what_is_asked_for(client: httpx.Client, study: list[Dataset]) -> None:
    """`includefield` names the attributes by keyword or tag; a name that is none is refused."""
    where = address(study[0]).rpartition("/instances/")[0] + "/metadata"
    whole = client.get(where).json()
    some = client.get(where, params=[("includefield", "PatientName,00280010"), ("includefield", "Columns")])
    names = {"00100010", "00280010", "00280011", "00080005", "00080016", "00080018", "0020000D", "0020000E"}
    assert [set(one) for one in some.json()] == [names & one.keys() for one in whole]
    assert some.headers["etag"] != client.get(where).headers["etag"]
    assert client.get(where, params={"includefield": "all"}).json() == whole
    assert client.get(where, params={"includefield": "Nonsense"}).status_code == 400


def test_metadata_is_sent_once_to_those_who_keep_it(client: httpx.Client, study: list[Dataset]) -> None:
    """Metadata has an entity tag; who shows it gets 304."""
    first = client.get(address(study[0]) + "/metadata")
    again = client.get(address(study[0]) + "/metadata", headers={"If-None-Match": first.headers["etag"]})
    other = client.get(address(study[1]) + "/metadata", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content, other.status_code) == (200, 304, b"", 200)


@pytest.mark.parametrize("accept", ["application/dicom+json", "application/json", XML])
@pytest.mark.parametrize("query", ["", "?includefield=PatientName"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_metadata_that_were_sent_before(server: LiveServer, accept: str, query: str, coding: str) -> None:
    """They come again in the form in which they came, also in one statement, until there are others."""
    with server.client("system/ImagingStudy.cr") as client:
        where = f"/dicomweb/studies/{uid(1)}/metadata{query}"
        for count in (1, 2):
            content = body([implicit(data_set(1, 1, count))])
            assert client.post("/dicomweb/studies", content=content, headers=HEADERS).is_success
            headers = {"Accept": accept, "Accept-Encoding": coding}
            first = client.get(where, headers=headers)
            with query_recorder() as recorded:
                again = client.get(where, headers=headers)
            assert len([one for one in recorded if "instance" in one]) == 1
            assert sum(first.text.count(value.format(uid(1, 1, count))) for value in ('"{}"', ">{}<")) == 1
            assert again.content == first.content
            for name in ("etag", "content-type", "content-encoding", "cache-control", "vary"):
                assert again.headers.get(name) == first.headers.get(name)
            known = client.get(where, headers=headers | {"If-None-Match": first.headers["etag"]})
            assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("PatientID=P1", 1),
        ("00100020=P1", 1),
        ("PatientName=doe*", 1),
        ("StudyDate=20260101-20260131&ModalitiesInStudy=MR,CT", 1),
        ("AccessionNumber=A*&includefield=all&limit=5&offset=0", 1),
        ("offset=1", 0),
        ("PatientName=jane&fuzzymatching=true", 1),
        ("PatientName=jane&fuzzyMatching=True&includeField=ALL&Limit=1", 1),
        ("StudyDate=20270101-20261130", 0),
    ],
)
def test_viewers_filters_find_the_study(client: httpx.Client, query: str, found: int) -> None:
    """Keys by keyword or tag, wildcards, ranges, lists of modalities and paging work as viewers send them."""
    answer = client.get(f"/dicomweb/studies?{query}", headers={"Accept": OHIF_JSON})
    assert (answer.status_code, len(answer.json())) == (200, found)
    assert answer.headers["content-type"] == "application/dicom+json"


@pytest.mark.parametrize("query", ["limit=x", "offset=-1", "includefield=0010", "fuzzymatching=maybe"])
def test_a_search_that_cannot_be_read_is_refused(client: httpx.Client, query: str) -> None:
    """A supported parameter with a value that is none is refused."""
    answer = client.get(f"/dicomweb/studies?{query}")
    assert (answer.status_code, "error" in answer.json()) == (400, True)


@pytest.mark.spec("PS3.18 8.7.3.2")
def test_attributes_come_as_xml_too(client: httpx.Client, study: list[Dataset]) -> None:
    """Metadata and matches are a document of the Native DICOM Model each; what a store made of it is one document."""
    accept = {"Accept": 'multipart/related; type="application/dicom+xml"'}
    series = address(study[0]).rpartition("/instances/")[0]
    for path, count in ((series + "/metadata", 2), ("/dicomweb/studies", 1)):
        answer = client.get(path, headers=accept)
        assert answer.headers["content-type"].startswith('multipart/related; type="application/dicom+xml"')
        assert answer.content.count(b"<NativeDicomModel") == count
        assert study[0].StudyInstanceUID.encode() in answer.content
    again = body([file_of(study[0])])
    stored = client.post("/dicomweb/studies", content=again, headers=HEADERS | {"Accept": "application/dicom+xml"})
    assert b'keyword="ReferencedSOPSequence"' in stored.content
    assert stored.headers["content-type"] == "application/dicom+xml"


@pytest.mark.parametrize(
    ("what", "word"),
    [
        ("", "retrieve"),
        ("?accept=application/zip", "retrieve"),
        ("/frames/1", "retrieve-frames"),
        ("/bulkdata", "retrieve-bulkdata"),
        ("/pixeldata", "retrieve-bulkdata"),
        ("/metadata", "retrieve-metadata"),
        ("/rendered", "retrieve-rendered"),
        ("/thumbnail", "retrieve-thumbnail"),
    ],
)
def test_no_way_of_asking_goes_past_the_audit_trail(
    server: LiveServer, client: httpx.Client, study: list[Dataset], what: str, word: str
) -> None:
    """The head, a range, and the answer that the caller has already are told of like the whole; hidden, all are 404."""
    where = address(study[0]) + what
    tag = client.get(where).headers["etag"]
    asked: list[tuple[str, dict[str, str]]] = [
        ("HEAD", {}),
        ("GET", {"Range": "bytes=0-0"}),
        ("GET", {"If-None-Match": tag}),
        ("GET", {"If-None-Match": "*"}),
    ]
    with psycopg.connect(server.settings.database_url) as connection:
        count = "SELECT count(*) FROM audit_event WHERE subtype = %s AND outcome = 0"
        (before,) = connection.execute(count, (word,)).fetchone() or (0,)
        connection.commit()
        for method, headers in asked:
            assert client.request(method, where, headers=headers).status_code in (200, 206, 304)
        (after,) = connection.execute(count, (word,)).fetchone() or (0,)
    assert after - before == len(asked)
    with server.client("patient/ImagingStudy.rs", patient="other") as other:
        assert {other.request(method, where, headers=headers).status_code for method, headers in asked} == {404}
