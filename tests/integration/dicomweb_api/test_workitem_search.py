"""UPS-RS over HTTP: searching the worklist."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.support.live_server import LiveServer, live_server
from tests.support.query_recorder import query_recorder
from tests.support.workitems import code, members, workitem

ROOT = "1.2.826.0.1.3680043.10.1714.78"
STATION = "ScheduledStationNameCodeSequence"
REQUEST = "ReferencedRequestSequence"
CODES = f"{REQUEST}.RequestedProcedureCodeSequence"
ITEMS = {
    "1": workitem(
        PatientName=[{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}],
        PatientID="A-1",
        ScheduledProcedureStepStartDateTime="20260302",
        ScheduledProcedureStepPriority="HIGH",
        ScheduledStationNameCodeSequence=[code("CT1", "99A"), code("MR1", "99B")],
    ),
    "2": workitem(
        PatientName="Müller^Änne",
        PatientID="A-2",
        ScheduledProcedureStepStartDateTime="20260301233000+0000",
        PregnancyStatus=2,
        ReferencedRequestSequence=[
            members(AccessionNumber="X1", RequestedProcedureCodeSequence=[code("P1", "99A"), code("P2", "99B")]),
            members(AccessionNumber="X2", RequestedProcedureCodeSequence=[code("P3", "99A")]),
        ],
    ),
    "3": workitem(
        PatientName="Miller^Anna",
        PatientID="B%3",
        ScheduledProcedureStepStartDateTime="20260301083000.5+0130",
        StudyInstanceUID=f"{ROOT}.9",
        InputReadinessState="INCOMPLETE",
        OtherPatientIDsSequence=[members(PatientID="other")],
        PatientWeight="70.50",
    ),
}
ALL = ["3", "2", "1"]
"""In the order in which they are to begin."""


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the workitems."""
    with live_server(module_database_url, tmp_path_factory.mktemp("worklist")) as running:
        with running.client("system/Task.c") as client:
            for number, item in ITEMS.items():
                assert client.post(f"/dicomweb/workitems?{ROOT}.{number}", json=item).status_code == 201
        yield running


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """Who searches."""
    with server.client("system/Task.s") as opened:
        yield opened


def found(client: httpx.Client, query: str) -> list[str]:
    """The numbers of the workitems that a search finds."""
    answer = client.get(f"/dicomweb/workitems?{query}")
    assert answer.status_code == 200, answer.text
    return [item["00080018"]["Value"][0].rpartition(".")[2] for item in answer.json()]


@pytest.mark.spec("PS3.4 CC.2.8.3")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ALL),
        ("PatientID=A-1", ["1"]),
        ("00100020=A-1", ["1"]),
        ("PatientID=a-1", []),
        ("PatientID=A-*", ["2", "1"]),
        ("PatientID=A-?", ["2", "1"]),
        ("PatientID=B%25*", ["3"]),
        ("PatientID=B_3", []),
        ("PatientID=", ALL),
        ("PatientID=*", ALL),
        ("PatientName=muller^anne", ["2"]),
        ("PatientName=M*ller*", ["3", "2"]),
        ("PatientName=山田*", ["1"]),
        ("PatientName=Yamada*=山田*", ["1"]),
        ("PatientName=Yamada*=田中*", []),
        ("PatientName=ann&fuzzymatching=true", ["3", "2"]),
        ("PatientName=anna miller&fuzzymatching=true", ["3"]),
        ("ScheduledProcedureStepPriority=HIGH", ["1"]),
        ("ScheduledProcedureStepPriority=HIGH&InputReadinessState=INCOMPLETE", []),
        (f"SOPInstanceUID={ROOT}.1,{ROOT}.3", ["3", "1"]),
        (f"SOPInstanceUID={ROOT}.1%5C{ROOT}.2", ["2", "1"]),
        (f"StudyInstanceUID={ROOT}.9", ["3"]),
        ("PregnancyStatus=2", ["2"]),
        ("PatientWeight=70.5", ["3"]),
        ("PatientBirthDate=19700101-19700103", ALL),
        ("PatientBirthDate=-19700101", []),
        ("PatientBirthDate=19700102", ALL),
        ("ScheduledProcedureStepStartDateTime=20260301", ["3", "2"]),
        ("ScheduledProcedureStepStartDateTime=202603", ALL),
        ("ScheduledProcedureStepStartDateTime=20260301070000-20260301070000", ["3"]),
        ("ScheduledProcedureStepStartDateTime=20260301083000.5%2B0130", ["3"]),
        ("ScheduledProcedureStepStartDateTime=20260302-", ["1"]),
        ("ScheduledProcedureStepStartDateTime=20260302%2B0100-", ["2", "1"]),
        ("ScheduledProcedureStepStartDateTime=-20260301", ["3", "2"]),
        ("ScheduledProcedureStepStartDateTime=20260301%2B0000-20260302%2B0000", ALL),
        (f"{STATION}.CodeValue=CT1&{STATION}.CodingSchemeDesignator=99A", ["1"]),
        (f"{STATION}.CodeValue=CT1&{STATION}.CodingSchemeDesignator=99B", []),
        ("00404025.00080100=SEG*", ["3", "2"]),
        (f"{REQUEST}.AccessionNumber=X2&{REQUEST}.RequestedProcedureCodeSequence.CodeValue=P3", ["2"]),
        (f"{REQUEST}.AccessionNumber=X1&{REQUEST}.RequestedProcedureCodeSequence.CodeValue=P3", []),
        (
            f"{CODES}.CodeValue=P2&{CODES}.CodingSchemeDesignator=99B&{REQUEST}.AccessionNumber=X1",
            ["2"],
        ),
        (
            f"{CODES}.CodeValue=P1&{CODES}.CodingSchemeDesignator=99B&{REQUEST}.AccessionNumber=X1",
            [],
        ),
        ("OtherPatientIDsSequence.PatientID=other", ["3"]),
        ("limit=2", ["3", "2"]),
        ("limit=2&offset=2", ["1"]),
        ("limit=0", []),
        ("offset=3", []),
        ("charset=utf-8&accept=application/dicom%2Bjson", ALL),
    ],
)
def test_keys_match_as_the_standard_has_it(client: httpx.Client, query: str, expected: list[str]) -> None:
    """Single values, wildcards, names, ranges, lists of UIDs, sequences."""
    assert found(client, query) == expected


@pytest.mark.spec("PS3.18 11.9.2")
def test_a_match_has_what_the_standard_returns_and_what_was_asked_for(client: httpx.Client) -> None:
    """Return keys of types 1 and 2, attributes that were matched and those of includefield; all with `all`."""
    base = f"SOPInstanceUID={ROOT}.3"
    plain, keyed, named, every = (
        client.get(f"/dicomweb/workitems?{base}{more}").json()[0]
        for more in ("", "&PatientWeight=&00400400=", "&includefield=PatientWeight,00400400", "&includefield=all")
    )
    assert {"00741000", "00741204", "00100010", "0040A370", "00741002", "00404005", "00080005"} <= plain.keys()
    assert not {"00101030", "00400400", "00741216", "00404010"} & plain.keys()
    assert keyed == named
    assert keyed.keys() - plain.keys() == {"00101030", "00400400"}
    assert {"00741216", "00404010", "00101030"} <= every.keys()


@pytest.mark.spec("PS3.18 8.3.4.4")
def test_further_matches_are_warned_of(client: httpx.Client) -> None:
    """The page is told to be one."""
    warning = client.get("/dicomweb/workitems?limit=2").headers["warning"]
    assert re.search(r": There are \d+ additional results that can be requested$", warning)
    assert "warning" not in client.get("/dicomweb/workitems?limit=3").headers


def test_matches_come_as_xml(client: httpx.Client) -> None:
    """One document of the Native DICOM Model for each."""
    answer = client.get("/dicomweb/workitems", headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
    assert answer.headers["content-type"].startswith('multipart/related; type="application/dicom+xml"')
    assert answer.content.count(b"<NativeDicomModel") == 3


@pytest.mark.spec("PS3.18 11.9.3")
@pytest.mark.parametrize(
    "query",
    [
        "ReferencedRequestSequence=x",
        "includefield=0010,0020",
        "limit=-1",
        "limit=x",
        "offset=99999999999",
        "fuzzymatching=yes",
        "PatientBirthDate=1970",
        "PatientBirthDate=-",
        "ScheduledProcedureStepStartDateTime=soon",
        "ScheduledProcedureStepStartDateTime=2026-soon",
        "StudyInstanceUID=1.02",
        "PregnancyStatus=x",
        "&".join(f"0040A370.0040A370.{number:08X}=1" for number in range(0x00080050, 0x00080054)),
        "&".join(f"PatientID={number}" for number in range(40)),
        "includefield=" + ",".join(["PatientID"] * 201),
    ],
)
def test_a_key_that_cannot_be_matched_is_refused(client: httpx.Client, query: str) -> None:
    """400, as the value is none, or too much is asked."""
    assert client.get(f"/dicomweb/workitems?{query}").status_code == 400


@pytest.mark.spec("PS3.18 8.3")
@pytest.mark.parametrize(
    "query", ["TransactionUID=1.2", "PatientID.PatientName=x", "Nonsense=1", ".".join(["0040A370"] * 4) + ".00080050=1"]
)
def test_what_workitems_are_not_searched_by_is_ignored(client: httpx.Client, query: str) -> None:
    """The answer is that of all workitems, and names it in a warning."""
    answer = client.get(f"/dicomweb/workitems?{query}")
    assert answer.json() == client.get("/dicomweb/workitems").json()
    assert answer.headers["warning"].endswith(f"not supported and were ignored: {query.partition('=')[0][:32]}")


def test_a_search_costs_two_statements(client: httpx.Client) -> None:
    """The search and its audit rows, however many match and whatever is asked."""
    with query_recorder() as statements:
        client.get("/dicomweb/workitems?limit=1")
        first = len(statements)
        client.get(f"/dicomweb/workitems?PatientName=M*&{STATION}.CodeValue=SEG1&ProcedureStepState=SCHEDULED")
    assert len(statements) - first <= first
