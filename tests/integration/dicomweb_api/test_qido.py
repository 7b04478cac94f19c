"""QIDO-RS over HTTP: representations, warnings, counts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import product

import httpx
import pytest
from pydicom.dataset import Dataset

from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body, file_of

STUDIES = "/dicomweb/studies"


@pytest.fixture
def filled(server: LiveServer, study: list[Dataset]) -> Iterator[httpx.Client]:
    """A client of a server with the study."""
    with server.client("system/*.cruds") as client:
        assert client.post(STUDIES, content=body([file_of(one) for one in study]), headers=HEADERS).status_code == 200
        yield client


def warnings(answer: httpx.Response) -> list[str]:
    """The Warning headers."""
    return answer.headers.get_list("warning")


@pytest.mark.spec("PS3.18 8.3.4.4.1")
def test_what_remains_is_told(filled: httpx.Client) -> None:
    """A page that is not the last says how many further results there are; the last says nothing."""
    base = filled.get(STUDIES).json()[0]["00081190"]["Value"][0].rpartition("/studies/")[0]
    first = filled.get("/dicomweb/instances?limit=1")
    assert warnings(first) == [f"299 {base}: There are 2 additional results that can be requested"]
    last = filled.get("/dicomweb/instances?limit=2&offset=1")
    assert (len(last.json()), warnings(last)) == (2, [])


@pytest.mark.spec("PS3.18 10.6.3.1")
def test_no_match_is_an_empty_list(filled: httpx.Client) -> None:
    """No match is 200 with an empty array, since CP-2473."""
    answer = filled.get(f"{STUDIES}?PatientID=nobody")
    assert (answer.status_code, answer.json(), warnings(answer)) == (200, [], [])


@pytest.mark.spec("PS3.18 8.3")
def test_what_is_not_matched_is_named(filled: httpx.Client) -> None:
    """An attribute that is not indexed is ignored and named in a warning, and so is what is no attribute."""
    answer = filled.get(f"{STUDIES}?PatientComments=x&00181030=y")
    assert len(answer.json()) == 1
    (warning,) = warnings(answer)
    assert warning.endswith("not indexed and were not matched: PatientComments, ProtocolName")
    (mistaken,) = warnings(filled.get(f"{STUDIES}?PatientNmae=x"))
    assert mistaken.endswith("not supported and were ignored: PatientNmae")


def test_counts(filled: httpx.Client, study: list[Dataset]) -> None:
    """Each search has an address that tells how many matches it has."""
    within = f"{STUDIES}/{study[0].StudyInstanceUID}"
    series = f"{within}/series/{study[0].SeriesInstanceUID}"
    for address, expected in {
        f"{STUDIES}/count": 1,
        "/dicomweb/series/count": 2,
        "/dicomweb/instances/count": 3,
        f"{within}/series/count": 2,
        f"{within}/instances/count": 3,
        f"{series}/instances/count": 2,
        f"{STUDIES}/count?PatientID=nobody": 0,
    }.items():
        answer = filled.get(address)
        assert (answer.status_code, answer.json()) == (200, {"count": expected}), address


def test_a_table(filled: httpx.Client, study: list[Dataset]) -> None:
    """Matches come as CSV, a column for each attribute."""
    answer = filled.get(STUDIES, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["StudyInstanceUID"] == study[0].StudyInstanceUID
    assert (row["PatientName"], row["NumberOfStudyRelatedInstances"]) == (str(study[0].PatientName), "3")


@pytest.mark.spec("PS3.18 10.6.4")
def test_xml(filled: httpx.Client) -> None:
    """Matches come as parts of a multipart, each a Native DICOM Model."""
    answer = filled.get("/dicomweb/series", headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
    assert answer.headers["content-type"].startswith('multipart/related; type="application/dicom+xml"')
    assert answer.text.count("<NativeDicomModel") == 2


@pytest.mark.spec("PS3.18 10.6.2")
@pytest.mark.parametrize("path", ["/studies", "/studies/count", "/series/count", "/instances"])
def test_nobody_searches_without_a_token(filled: httpx.Client, path: str) -> None:
    """Without a token nothing is told."""
    assert filled.get(f"/dicomweb{path}", headers={"Authorization": ""}).status_code == 401


@pytest.mark.parametrize("accept", ["application/dicom+json", 'multipart/related; type="application/dicom+xml"'])
def test_a_list_is_sent_again_until_it_is_another(
    server: LiveServer, filled: httpx.Client, study: list[Dataset], monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    """The same to the byte, in the coding that is asked for; with what came in since; and to no one else."""
    monkeypatch.setattr("dicomweb.api.qido.WORTHWHILE", 1)
    monkeypatch.setattr("dicomweb.api.coding.WORTHWHILE", 1)
    of_study = f"{STUDIES}/{study[0].StudyInstanceUID}"
    for query, coding in product(("", "?limit=2"), ("identity", "gzip", "zstd")):
        headers = {"Accept": accept, "Accept-Encoding": coding}
        first, second = (filled.get(f"/dicomweb/instances{query}", headers=headers) for _ in range(2))
        assert first.status_code == 200
        assert first.headers.get("content-encoding", "identity") == coding
        assert (second.content, second.headers["content-type"]) == (first.content, first.headers["content-type"])
        assert study[2].SOPInstanceUID in first.text or query
        assert warnings(second) == warnings(first)
        assert bool(warnings(first)) is bool(query)
        with server.client("patient/*.rs", patient="somebody-else") as stranger:
            assert study[0].StudyInstanceUID not in stranger.get(f"/dicomweb/instances{query}", headers=headers).text
    assert filled.delete(f"{of_study}/series/{study[2].SeriesInstanceUID}").is_success
    assert study[2].SOPInstanceUID not in filled.get("/dicomweb/instances", headers=headers).text
    assert warnings(filled.get("/dicomweb/instances?limit=2", headers=headers)) == []
