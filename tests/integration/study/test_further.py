"""Attributes that are indexed by setting: found by everything they can be asked for, also what was stored before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomweb.index.attributes import Level
from dicomweb.index.further import BUILT_IN, Catalogue, read
from dicomweb.study.delete import delete
from dicomweb.study.indexing import declare, index_study, indexed
from dicomweb.study.parameters import parse
from dicomweb.study.query import query
from dicomweb.study.receive import Receiver
from dicomweb.study.restore import restore
from dicomweb.study.store import deposit
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.dicom import data_set, part10, uid
from tests.support.study import SYSTEM, Store

SETTING = """
PatientComments; ProtocolName; OperatorsName; KVP; AcquisitionDateTime; FrameOfReferenceUID;
ProcedureCodeSequence.CodeValue; ProcedureCodeSequence.CodingSchemeDesignator; ImageType;
series:0019xx02[ACME 1]=LO; instance:0019xx03[ACME 1]=IS
"""
CATALOGUE = read(SETTING)


def code(value: str, scheme: str) -> Dataset:
    """A code."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = value, scheme
    return item


def image(study: int, **elements: Any) -> bytes:
    """An object of a study, with private elements of a creator in a block that differs from study to study."""
    made = data_set(study, **elements)
    for other in range(study % 3):
        made.private_block(0x0019, f"OTHER {other}", create=True).add_new(0x02, "LO", "no sauce")
    block = made.private_block(0x0019, "ACME 1", create=True)
    block.add_new(0x02, "LO", f"sauce {study}")
    block.add_new(0x03, "IS", str(study * 10))
    return part10(made)


IMAGES = (
    image(1, PatientComments="Quiet child", ProtocolName="THORAX", OperatorsName="Müller^Eva", KVP="120",
          AcquisitionDateTime="20260102030405.5+0100", ImageType=["ORIGINAL", "PRIMARY"],
          ProcedureCodeSequence=[code("T1", "A"), code("T2", "B")], FrameOfReferenceUID=uid(5)),
    image(2, PatientComments="Loud child", ProtocolName="HEAD", OperatorsName=["Doe^Jane", "Roe^Ann"], KVP="80.50",
          AcquisitionDateTime="20260103", ImageType=["DERIVED", "PRIMARY"], ProcedureCodeSequence=[code("T1", "B")]),
    image(3),
)  # fmt: skip


@dataclass
class Indexed:
    """A store whose searches match the further attributes."""

    store: Store
    catalogue: Catalogue = CATALOGUE

    def add(self, *files: bytes, catalogue: Catalogue | None = None) -> None:
        """Store objects by a process with this catalogue."""
        receiver = Receiver(self.store.archive, catalogue=catalogue or self.catalogue)
        received = []
        for file in files:
            incoming = receiver.begin()
            incoming.write(file)
            received.append(incoming.finish())
        deposit(self.store.pool, self.store.archive, SYSTEM, received, "STOW-RS")

    def index(self) -> None:
        """What a job worker does."""
        self.store.run(declare(self.catalogue))
        list(indexed(self.store.pool, self.catalogue))

    def found(self, *params: tuple[str, str], level: Level = Level.INSTANCE) -> set[int]:
        """The numbers of the studies in which something is found."""
        asked = parse(level, [*params, ("00190010", "ACME 1")], catalogue=self.catalogue)
        objects = map(json.loads, self.store.run(query(SYSTEM, asked)).objects)
        return {int(one["0020000D"]["Value"][0].rpartition(".")[2]) for one in objects}


@pytest.fixture(params=["before", "after"])
def filled(request: pytest.FixtureRequest, store: Store) -> Indexed:
    """Three studies, stored after the setting named the attributes, or before."""
    there = Indexed(store)
    if request.param == "after":
        there.index()
    there.add(*IMAGES, catalogue=BUILT_IN if request.param == "before" else None)
    there.index()
    return there


QUESTIONS = [
    (("PatientComments", "Quiet child"), {1}),
    (("PatientComments", "*child"), {1, 2}),
    (("00104000", "quiet child"), set()),
    (("ProtocolName", "H?AD"), {2}),
    (("OperatorsName", "muller*"), {1}),
    (("OperatorsName", "roe^ann"), {2}),
    (("KVP", "120.0"), {1}),
    (("KVP", "80.5"), {2}),
    (("AcquisitionDateTime", "202601020204-20260102020406"), {1}),
    (("AcquisitionDateTime", "20260102030405+0100"), {1}),
    (("AcquisitionDateTime", "20260103-"), {2}),
    (("FrameOfReferenceUID", f"{uid(5)},{uid(6)}"), {1}),
    (("ProcedureCodeSequence.CodeValue", "T1"), {1, 2}),
    (("ImageType", "DERIVED\\ORIGINAL"), {1, 2}),
    (("00191002", "sauce 2"), {2}),
    (("00191003", "30"), {3}),
    (("0019xx02[ACME 1]", "sauce*"), {1, 2, 3}),
    (("PatientComments", ""), {1, 2, 3}),
]


@pytest.mark.spec("PS3.4 C.2.2.2")
def test_further_attributes_match(filled: Indexed) -> None:
    """Text, names, numbers, dates, UIDs, items of sequences and private attributes are found, at any level."""
    for key, expected in QUESTIONS:
        assert filled.found(key) == expected, key
    assert filled.found(("OperatorsName", "ann"), ("fuzzymatching", "true")) == {2}
    assert filled.found(("PatientComments", '""'), ("emptyvaluematching", "true")) == {3}
    assert filled.found(("ImageType", "PRIMARY\\ORIGINAL"), ("multiplevaluematching", "true")) == {1}
    assert filled.found(("PatientComments", "Loud*"), level=Level.STUDY) == {2}
    assert filled.found(("KVP", "120"), level=Level.STUDY) == {1}


@pytest.mark.spec("PS3.4 C.2.2.2.6")
def test_further_keys_of_a_sequence_match_in_one_item(filled: Indexed) -> None:
    """The code T1 of scheme B is not the code T1 of scheme A beside another of B."""
    sequence = "ProcedureCodeSequence"
    assert filled.found((f"{sequence}.CodeValue", "T1"), (f"{sequence}.CodingSchemeDesignator", "B")) == {2}


def test_a_further_key_is_returned(filled: Indexed) -> None:
    """What is searched by comes back, private attributes with their creator."""
    asked = parse(Level.SERIES, [("00191002", "sauce 1"), ("00190010", "ACME 1")], catalogue=CATALOGUE)
    (one,) = map(json.loads, filled.store.run(query(SYSTEM, asked)).objects)
    assert {"ACME 1", "sauce 1"} <= {
        value for member in one.values() for value in member.get("Value", []) if isinstance(value, str)
    }


def test_what_is_not_yet_indexed_is_refused(store: Store) -> None:
    """Until all that is stored is indexed a search does not answer as if it were."""
    there = Indexed(store)
    there.add(*IMAGES, catalogue=BUILT_IN)
    store.run(declare(CATALOGUE))
    with pytest.raises(HealixError, match="PatientComments") as caught:
        there.found(("PatientComments", "x"))
    assert caught.value.category is Category.UNAVAILABLE
    there.index()
    assert there.found(("PatientComments", "Quiet*")) == {1}


def test_what_the_setting_names_no_more_is_forgotten(filled: Indexed) -> None:
    """Values go with the attribute, and are made anew when it comes back."""
    filled.store.run(declare(read("ProtocolName")))
    codes = {attribute.code for attribute in read("ProtocolName").further.values()}
    assert {row[0] for row in filled.store.sql("SELECT DISTINCT code FROM series_further")} == codes
    assert filled.store.sql("SELECT count(*) FROM study_further") == [(0,)]
    filled.index()
    assert filled.found(("PatientComments", "Quiet*")) == {1}


def test_a_job_is_enqueued_when_there_is_something_to_index(store: Store) -> None:
    """Once for what is new; none when all is indexed."""
    assert store.run(declare(CATALOGUE))
    assert store.sql("SELECT task_name FROM procrastinate_jobs") == [("studies.index",)]
    list(indexed(store.pool, CATALOGUE))
    assert not store.run(declare(CATALOGUE))


def test_what_is_deleted_and_restored_is_found_again(filled: Indexed) -> None:
    """Values go with their study; a job makes them again when it comes back."""
    filled.store.run(delete(SYSTEM, uid(1)))
    assert filled.found(("PatientComments", "Quiet*")) == set()
    filled.store.run(restore(SYSTEM, uid(1)))
    filled.store.run(index_study(CATALOGUE, uid(1)))
    assert filled.found(("PatientComments", "Quiet*")) == {1}
    assert filled.found(("KVP", "120")) == {1}


@pytest.mark.parametrize(
    ("key", "value"), [("KVP", "many"), ("AcquisitionDateTime", "noon"), ("FrameOfReferenceUID", "x")]
)
def test_malformed_further_keys_are_refused(filled: Indexed, key: str, value: str) -> None:
    """A malformed value is Invalid and named."""
    with pytest.raises(HealixError, match=key) as caught:
        filled.found((key, value))
    assert caught.value.category is Category.INVALID


@pytest.mark.parametrize(
    "setting",
    ["Nothing", "PatientID", "PixelData", "0019xx02[ACME 1]", "00191002", "all:KVP", "KVP=SQ", "ProcedureCodeSequence"],
)
def test_settings_that_cannot_be(setting: str) -> None:
    """A setting that names no attribute, one that is indexed, or none that can be compared, is refused."""
    with pytest.raises(HealixError):
        read(setting)
