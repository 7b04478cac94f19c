"""C-FIND of workitems: what is matched, what is returned, how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicomweb.dimse import workitem_find
from dicomweb.dimse.limits import Limits
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.settings import Settings
from tests.support.charsets import TEXTS
from tests.support.dimse_service import serving_dimse
from tests.support.ups import ITEM, PULL, QUERY, WATCH, Scu, sql
from tests.support.workitems import Members, code, members, workitem

Pool = ConnectionPool[Connection[Row]]
ITEMS: dict[int, dict[str, Any]] = {
    1: {"ScheduledProcedureStepStartDateTime": "20260301083000"},
    2: {"ScheduledProcedureStepStartDateTime": "20260302083000", "PatientName": "Zeit^Zoë", "PatientID": "mrn-2"},
    3: {"ScheduledProcedureStepStartDateTime": "20260303083000", "ScheduledStationNameCodeSequence": [code("SEG2")]},
}


@pytest.fixture
def scu(pool: Pool, tmp_path: Path) -> Iterator[Scu]:
    """A caller of a service with three items."""
    limits = Limits(artim=2, progress=5, idle=10, drain=2, matches=20)
    with serving_dimse(replace(Settings(), data_dir=tmp_path / "data"), pool, limits) as port:
        found = Scu(port)
        for number, attributes in ITEMS.items():
            assert found.create(workitem(**attributes), f"{ITEM}.{number}").Status == 0
        yield found


def numbers(matches: list[Dataset]) -> list[int]:
    """Which items were found."""
    return [int(str(one.SOPInstanceUID).rpartition(".")[2]) for one in matches]


@pytest.mark.spec("PS3.4 Table CC.2.5-3")
@pytest.mark.parametrize("context", [PULL, WATCH, QUERY])
@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"ProcedureStepState": None}, [1, 2, 3]),
        ({"PatientID": "mrn-2"}, [2]),
        ({"PatientName": "zeit*"}, [2]),
        ({"ScheduledProcedureStepStartDateTime": "20260302-20260303"}, [2, 3]),
        ({"SOPInstanceUID": [f"{ITEM}.1", f"{ITEM}.3"]}, [1, 3]),
        ({"ScheduledStationNameCodeSequence": [members(CodeValue="SEG2")]}, [3]),
        ({"ReferencedRequestSequence": [members(AccessionNumber="A1")], "PatientID": "mrn-1"}, [1, 3]),
        ({"PatientID": "nobody"}, []),
    ],
    ids=["all", "value", "wild card", "range", "list of UIDs", "in a sequence", "two keys", "none"],
)
def test_items_are_matched(scu: Scu, context: str, keys: dict[str, Any], found: list[int]) -> None:
    """As by UPS-RS, in the order in which the steps are to begin."""
    statuses, matches = scu.find(members(**keys), context)
    assert numbers(matches) == found
    assert statuses == [0xFF00] * len(found) + [0]


def test_an_answer_has_the_keys_of_the_request(scu: Scu) -> None:
    """Those attributes and the item's UIDs alone, empty where there is no value; of a sequence what is named."""
    scu.syntaxes = [ExplicitVRLittleEndian]
    station = [members(CodeValue=None, CodeMeaning=None)]
    asked = members(PatientID="mrn-2", AdmissionID=None, ScheduledStationNameCodeSequence=station)
    _, (match,) = scu.find(asked)
    assert [element.keyword for element in match] == [
        "SOPClassUID", "SOPInstanceUID", "PatientID", "AdmissionID", "ScheduledStationNameCodeSequence",
    ]  # fmt: skip
    assert match.AdmissionID in ("", None)
    assert {element.keyword for element in match.ScheduledStationNameCodeSequence[0]} == {"CodeValue", "CodeMeaning"}
    _, (match,) = scu.find(members(PatientID="mrn-2", ScheduledStationNameCodeSequence=None))
    assert match.ScheduledStationNameCodeSequence[0].CodingSchemeDesignator == "99TEST"


def wrong(tag: int, vr: str, value: str) -> Dataset:
    """A key with a value that its representation cannot have."""
    keys = Dataset()
    keys[tag] = DataElement(tag, vr, value, validation_mode=pydicom.config.IGNORE)
    return keys


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        (members(TransactionUID=None), 0xFF01),
        (members(PatientID=None, TextValue="long"), 0xFF01),
        (wrong(0x00404005, "DT", "tomorrow"), 0xA900),
        (wrong(0x00080018, "UI", "not a UID"), 0xA900),
        (members(ScheduledStationNameCodeSequence=[code("A"), code("B")]), 0xA900),
        (members(SelectorCSValue=None), 0xFF00),
    ],
    ids=["the lock", "no key", "no moment", "no UID", "two items", "not of the IOD"],
)
def test_keys_that_cannot_be_matched(scu: Scu, keys: Members | Dataset, status: int) -> None:
    """What has no place in the model is told by FF01H; a malformed value finds nothing of other people's work."""
    assert scu.find(keys)[0] == ([status] if status == 0xA900 else [status] * 3 + [0])


@pytest.mark.spec("PS3.5 7.8.1")
def test_private_attributes_are_matched_whatever_their_block(scu: Scu) -> None:
    """And returned in the block of the request; those of another creator are others."""
    scu.syntaxes = [ExplicitVRLittleEndian]
    given = Dataset.from_json(workitem())
    given.private_block(0x0009, "OTHER", create=True).add_new(0x01, "LO", "not this")
    given.private_block(0x0009, "ACME", create=True).add_new(0x01, "LO", "Lung, left")
    scu.create(given, f"{ITEM}.9")
    for creator, value, found in (("ACME", "Lung*", [9]), ("OTHER", "Lung*", []), ("NOBODY", "Lung*", [])):
        keys = Dataset()
        keys.private_block(0x0009, creator, create=True).add_new(0x01, "LO", value)
        statuses, matches = scu.find(keys)
        assert numbers(matches) == found
        assert statuses == [0xFF00] * len(found) + [0]
        assert [one.private_block(0x0009, "ACME")[0x01].value for one in matches] == ["Lung, left"] * len(found)


@pytest.mark.parametrize(("extended", "found"), [(b"", []), (b"\1\0\1", [2])])
def test_fuzzy_names_when_negotiated(scu: Scu, extended: bytes, found: list[int]) -> None:
    """A name is found by how its words begin, if that was agreed on."""
    _, matches = scu.find(members(PatientName="zoe"), extended=extended)
    assert numbers(matches) == found


def test_matches_come_in_pages_and_end_at_the_limit(scu: Scu, monkeypatch: pytest.MonkeyPatch) -> None:
    """No page repeats or misses what begins at the same moment; beyond the limit it is A700H."""
    monkeypatch.setattr(workitem_find, "PAGE", 3)
    for number in range(4, 21):
        scu.create(workitem(), f"{ITEM}.{number}")
    statuses, matches = scu.find(members(ProcedureStepState=None))
    assert sorted(numbers(matches)) == list(range(1, 21))
    assert statuses == [0xFF00] * 20 + [0]
    scu.create(workitem(), f"{ITEM}.21")
    assert scu.find(members(ProcedureStepState=None))[0] == [0xFF00] * 20 + [0xA700]


@pytest.mark.spec("PS3.5 6.1.2")
@pytest.mark.parametrize("script", [script for script in TEXTS if script != "chinese, extended"])
def test_character_sets_of_items_and_answers(scu: Scu, script: str) -> None:
    """An item that comes in a character set is found in it, and shown to who asks in it."""
    terms, name, _ = TEXTS[script]
    given = Dataset.from_json(workitem(PatientName=None, PatientID=f"in {script}"))
    given.SpecificCharacterSet, given.PatientName = terms, name
    assert scu.create(given, f"{ITEM}.9").Status == 0
    keys = Dataset.from_json(members(PatientID=f"in {script}", PatientName=None))
    keys.SpecificCharacterSet = terms
    keys.PatientName = name
    _, (match,) = scu.find(keys)
    assert str(match.PatientName) == name
    _, item = scu.get(0x00100010, uid=f"{ITEM}.9")
    assert item is not None
    assert str(item.PatientName) == name


def test_searches_are_on_record(scu: Scu, pool: Pool) -> None:
    """With their keys, as those of UPS-RS; refused ones too."""
    scu.find(members(PatientID="mrn-2", ProcedureStepLabel=None))
    scu.find(wrong(0x00404005, "DT", "tomorrow"))
    assert sql(
        pool, "SELECT action, outcome, client, query FROM audit_event WHERE subtype = 'query-workitem' ORDER BY seq"
    ) == [("E", 0, "MODALITY", "PatientID=mrn-2&ProcedureStepLabel="), ("E", 4, "MODALITY", None)]
