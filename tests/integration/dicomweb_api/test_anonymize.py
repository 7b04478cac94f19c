"""`anonymize=yes` of WADO-URI over a real socket: objects without identities, and who gets none."""

from __future__ import annotations

import io
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from pydicom import Dataset, dcmread

from tests.support.deidentified import survivors, with_canaries
from tests.support.dicom import data_set, part10, uid, with_pixels
from tests.support.live_server import LiveServer, live_server
from tests.support.stow import HEADERS, body
from tests.unit.deidentify.test_canaries import FURTHER, TAGS

pytestmark = pytest.mark.spec("PS3.18 9.4.1.2.1; PS3.18 9.4.2.3")
EXPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
WANTED = {"requestType": "WADO", "studyUID": uid(1), "seriesUID": uid(1, 1), "anonymize": "yes"}
IMAGE, SECOND = (WANTED | {"objectUID": uid(1, 1, number)} for number in (1, 2))
OWN = {0x00080018, 0x0020000D, 0x0020000E}
"""The UIDs by which objects are asked for."""
KNOWN = "SELECT count(*) FROM audit_event WHERE subtype = 'retrieve-anonymized' AND action = 'R' AND outcome = 0"
ALL = "system/ImagingStudy.cruds"


def image(instance: int = 1, **values: str) -> bytes:
    """The file of an image with a canary in each attribute of the table."""
    ds = with_canaries(data_set(instance=instance), [tag for tag in (*TAGS, *FURTHER) if tag not in OWN])
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return part10(with_pixels(ds, rows=32, columns=64))


FILE = image()


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with an image full of what identifies, another of its study, and one that has text in its pixels."""
    with live_server(module_database_url, tmp_path_factory.mktemp("anonymize")) as running:
        files = [FILE, image(2), image(3, BurnedInAnnotation="YES")]
        with running.client(ALL) as opened:
            assert opened.post("/dicomweb/studies", content=body(files), headers=HEADERS).status_code == 200
        yield running


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client that may see all studies."""
    with server.client(ALL) as opened:
        yield opened


def got(client: httpx.Client, params: dict[str, str]) -> httpx.Response:
    """The answer of the URI service."""
    return client.get("/dicomweb/wado", params=params)


def read(answer: httpx.Response) -> Dataset:
    """The object of an answer."""
    assert answer.status_code == 200, answer.text
    return dcmread(io.BytesIO(answer.content))


def test_no_identity_is_left(client: httpx.Client, server: LiveServer) -> None:
    """Not one value of Table E.1-1 is anywhere in the bytes, UIDs are others, and the pixels are the same."""
    answer = got(client, IMAGE)
    found, original = read(answer), dcmread(io.BytesIO(FILE))
    assert survivors(FILE)
    assert survivors(answer.content) == []
    assert not [one for one in (uid(1), uid(1, 1), uid(1, 1, 1)) if one.encode() in answer.content]
    assert found.PixelData == original.PixelData
    assert (found.PatientIdentityRemoved, found.file_meta.MediaStorageSOPInstanceUID) == ("YES", found.SOPInstanceUID)
    assert [one.CodeValue for one in found.DeidentificationMethodCodeSequence] == ["113100", "113101"]
    assert answer.headers["content-type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert not list((server.settings.data_dir / "images" / "incoming").iterdir())


def test_uids_are_the_same_each_time(client: httpx.Client) -> None:
    """Two objects of a study are of one study still, and an object that is asked for again is the same one."""
    first, again, second = (read(got(client, one)) for one in (IMAGE, IMAGE, SECOND))
    assert first == again
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    tag = got(client, IMAGE).headers["etag"]
    known = client.get("/dicomweb/wado", params=IMAGE, headers={"If-None-Match": tag})
    assert (known.status_code, known.content) == (304, b"")


def test_it_comes_in_the_syntax_asked_for(client: httpx.Client) -> None:
    """With the same pixels, and nothing that identifies."""
    answer = got(client, IMAGE | {"transferSyntax": RLE})
    found = read(answer)
    assert found.file_meta.TransferSyntaxUID == RLE
    assert (found.pixel_array == read(got(client, IMAGE)).pixel_array).all()
    assert survivors(answer.content) == []
    head = client.head("/dicomweb/wado", params=IMAGE)
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"anonymize": "no"}, 400),
        ({"anonymize": ""}, 400),
        ({"contentType": "image/jpeg"}, 400),
        ({"contentType": "text/html"}, 400),
        ({"annotation": "patient"}, 400),
        ({"annotation": "technique , patient"}, 400),
        ({"objectUID": uid(9)}, 404),
        ({"objectUID": uid(1, 1, 3)}, 409),
        ({"transferSyntax": "1.2.840.10008.1.2.4.50"}, 406),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_retrieved(
    client: httpx.Client, server: LiveServer, params: dict[str, str], status: int
) -> None:
    """Nothing is served with identities instead, nor is it on record as retrieved."""
    with psycopg.connect(server.settings.database_url) as connection:
        before = connection.execute(KNOWN).fetchone()
        answer = got(client, IMAGE | params)
        assert answer.status_code == status, answer.text
        assert b"CANARY" not in answer.content
        assert connection.execute(KNOWN).fetchone() == before
    twice = client.get(f"/dicomweb/wado?anonymize=yes&{httpx.QueryParams(IMAGE)}")
    assert twice.status_code == 400


def test_pictures_parameters_are_ignored(client: httpx.Client) -> None:
    """An annotation of the technique is none of a file, and named as ignored; a list that takes files gets one."""
    answer = got(client, IMAGE | {"annotation": "technique"})
    assert read(answer).PatientIdentityRemoved == "YES"
    assert answer.headers["warning"].endswith("were ignored: annotation")
    for accept in ("image/jpeg, application/dicom;q=0.1", "*/*"):
        one = client.get("/dicomweb/wado", params=IMAGE, headers={"Accept": accept})
        assert read(one).PatientIdentityRemoved == "YES"
    assert client.get("/dicomweb/wado", params=IMAGE, headers={"Accept": "image/png"}).status_code == 400


@pytest.mark.parametrize(
    ("scope", "further", "status"),
    [
        (None, {}, 401),
        ("system/Patient.rs", {}, 403),
        ("system/ImagingStudy.s", {}, 403),
        ("patient/ImagingStudy.rs", {"patient": "somebody-else"}, 404),
    ],
)
def test_access_is_that_of_the_object(
    server: LiveServer, scope: str | None, further: dict[str, str], status: int
) -> None:
    """No token, another scope, another patient: as for the object itself, and nothing is made."""
    with server.client(scope, **further) as other:
        answer = got(other, IMAGE)
        original = got(other, {name: value for name, value in IMAGE.items() if name != "anonymize"})
    assert (answer.status_code, original.status_code) == (status, status)


def test_the_trail_tells_that_it_was_anonymised(client: httpx.Client, server: LiveServer) -> None:
    """Once, with study and instance."""
    with psycopg.connect(server.settings.database_url) as connection:
        last = connection.execute("SELECT coalesce(max(seq), 0) FROM audit_event").fetchone()
        assert got(client, SECOND).is_success
        found = connection.execute(
            "SELECT subtype, entity, query FROM audit_event WHERE seq > %s AND action = 'R'", last
        ).fetchall()
    assert found == [("retrieve-anonymized", uid(1), uid(1, 1, 2))]
