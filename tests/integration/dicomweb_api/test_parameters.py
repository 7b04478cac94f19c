"""Query parameters as chapter 8.3 has them: what is not supported is ignored and told of, what is malformed refused."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.dicom import data_set, part10, uid, with_pixels
from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body

INSTANCE = f"/dicomweb/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}"
WADO = f"/dicomweb/wado?requestType=WADO&studyUID={uid(1)}&seriesUID={uid(1, 1)}&objectUID={uid(1, 1, 1)}"
TWO_FRAMES = WADO.replace(uid(1, 1, 1), uid(1, 1, 2))


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client of a server that holds an image, and one of two frames."""
    files = [part10(with_pixels(data_set())), part10(with_pixels(data_set(instance=2), frames=2))]
    with server.client("system/*.cruds") as opened:
        assert opened.post("/dicomweb/studies", content=body(files), headers=HEADERS).is_success
        yield opened


@pytest.mark.spec("PS3.18 8.3")
@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("/dicomweb/studies?NoSuchKeyword=1&PatientID=P1", "NoSuchKeyword"),
        ("/dicomweb/studies?0010=1&_=17", "0010, _"),
        ("/dicomweb/studies/count?NoSuchKeyword=1", "NoSuchKeyword"),
        (f"{INSTANCE}/rendered?colour=red&quality=80", "colour"),
        (f"{INSTANCE}/thumbnail?window=1,2", "window"),
        (f"{WADO}&colour=red", "colour"),
        (f"{WADO}&a%0D%0AX-Other:%201=1", "a??X-Other??1"),
        ("/dicomweb/studies?includefield=StudyDate,NoSuchKeyword,00080005.NoSuch", "NoSuchKeyword, 00080005.NoSuch"),
        ("/dicomweb/workitems?NoSuchKeyword=1", "NoSuchKeyword"),
        ("/dicomweb/workitems?includefield=NoSuchKeyword", "NoSuchKeyword"),
        ("/dicomweb/workitems?TransactionUID=1.2", "TransactionUID"),
    ],
)
def test_what_is_not_supported_is_ignored_and_named_in_a_warning(
    client: httpx.Client, address: str, names: str
) -> None:
    """The answer is that of the request without it, with one warning more, in which nothing but a name can be."""
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    (warning,) = [one for one in answer.headers.get_list("warning") if "not supported" in one]
    assert warning.startswith(f"299 {client.base_url}/dicomweb: ".replace("//dicomweb", "/dicomweb"))
    assert warning.endswith(f"not supported and were ignored: {names}")
    assert "x-other" not in answer.headers


@pytest.mark.spec("PS3.18 8.3")
def test_what_is_supported_is_not_warned_of(client: httpx.Client) -> None:
    """Nor is what every address knows."""
    for address in ("/dicomweb/studies?PatientID=P1&limit=1", f"{INSTANCE}/rendered?quality=80&accept=image/png"):
        answer = client.get(address)
        assert (answer.status_code, answer.headers.get_list("warning")) == (200, [])


@pytest.mark.spec("PS3.18 8.3.4.3")
def test_an_invalid_value_is_no_unsupported_parameter(client: httpx.Client) -> None:
    """It is refused: includefield is supported, and what it names has the form of an attribute."""
    assert client.get("/dicomweb/studies?includefield=0010").status_code == 400
    assert client.get("/dicomweb/workitems?includefield=0010,0020").status_code == 400
    assert client.get(f"{INSTANCE}/metadata?includefield=NoSuchKeyword").status_code == 400


@pytest.mark.spec("PS3.18 8.7.8.1")
@pytest.mark.parametrize(
    ("asked", "header", "wanted"),
    [
        ("image/png", "image/gif", "image/png"),
        ("image/foo", "image/gif", "image/gif"),
        ("image/foo", "image/bar, */*;q=0.1", "image/jpeg"),
        ("image/png;q=0.1", "image/gif;q=0.9", "image/png"),
        ("image/foo", "image/bar", None),
    ],
)
@pytest.mark.parametrize("address", [f"{INSTANCE}/rendered?accept=", f"{WADO}&contentType="])
def test_the_parameter_first_and_then_the_header(
    client: httpx.Client, address: str, asked: str, header: str, wanted: str | None
) -> None:
    """The header is asked where no type of the parameter is served; a wildcard in it takes the default."""
    answer = client.get(address + asked.replace(";", "%3B"), headers={"Accept": header})
    if wanted is None:
        assert answer.status_code == 406
    else:
        assert (answer.status_code, answer.headers["content-type"]) == (200, wanted)


@pytest.mark.spec("PS3.18 9.5")
def test_the_header_counts_in_the_uri_service_too(client: httpx.Client) -> None:
    """Without contentType the Accept header says what is wanted."""
    assert client.get(WADO, headers={"Accept": "image/png"}).headers["content-type"] == "image/png"
    assert client.get(WADO, headers={"Accept": "application/dicom"}).content[128:132] == b"DICM"
    assert client.get(WADO, headers={"Accept": "text/csv"}).status_code == 406


@pytest.mark.spec("PS3.18 9.5.2")
@pytest.mark.parametrize(
    ("address", "status"),
    [
        (f"{TWO_FRAMES}&frameNumber=2", 200),
        (f"{TWO_FRAMES}&frameNumber=3", 400),
        (f"{TWO_FRAMES}&frameNumber=0", 400),
        (f"{TWO_FRAMES}&frameNumber=1,2", 400),
        (f"{WADO}&frameNumber=1", 400),
    ],
)
def test_one_frame_of_several(client: httpx.Client, address: str, status: int) -> None:
    """A frame is asked of an image that has several, and it is one of them."""
    assert client.get(address).status_code == status


@pytest.mark.spec("PS3.18 10.4.3.1")
@pytest.mark.parametrize("what", ["/rendered", "/thumbnail", "/frames/1/rendered", "/frames/1/thumbnail"])
def test_what_was_deleted_is_gone_in_every_form(client: httpx.Client, what: str) -> None:
    """410, as the list of statuses says, also in the URI service."""
    assert client.delete(INSTANCE).status_code == 204
    assert client.get(INSTANCE + what).status_code == 410
    assert client.get(WADO).status_code == 410


@pytest.mark.spec("PS3.18 8.7.8.1")
def test_workitems_are_not_acceptable_in_other_types(client: httpx.Client) -> None:
    """406, as the list of statuses says."""
    assert client.get("/dicomweb/workitems", headers={"Accept": "text/html"}).status_code == 406


@pytest.mark.spec("PS3.18 9.5.1")
def test_annotations_have_two_names(client: httpx.Client) -> None:
    """`annotation` in the syntax of the request is `imageAnnotation` in the table."""
    plain, one, other = (
        client.get(f"{WADO}&columns=256{more}") for more in ("", "&annotation=patient", "&imageAnnotation=patient")
    )
    assert one.content == other.content != plain.content
    assert client.get(f"{WADO}&annotation=patient&imageAnnotation=patient").status_code == 400
