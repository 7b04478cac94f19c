"""Anatomic Regions in Study Code Sequence: matched, returned, and read of what was stored before."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomweb.study import regions
from dicomweb.study.parameters import parse
from dicomweb.study.query import Level, query
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.dicom import data_set, part10
from tests.support.study import SYSTEM, Store

SEQUENCE = "AnatomicRegionsInStudyCodeSequence"
CODE, SCHEME = f"{SEQUENCE}.CodeValue", f"{SEQUENCE}.CodingSchemeDesignator"
CHEST, HAND = "816094009", "85562004"


def coded(value: str, meaning: str, scheme: str = "SCT") -> list[Dataset]:
    """An Anatomic Region Sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return [item]


@pytest.fixture
def filled(store: Store) -> Store:
    """A study of two regions, one of a region in another scheme, one without."""
    store.add(
        part10(data_set(1, 1, 1, BodyPartExamined="CHEST")),
        part10(data_set(1, 2, 1, BodyPartExamined="HEAD", AnatomicRegionSequence=coded(HAND, "Hand"))),
        part10(data_set(1, 3, 1, BodyPartExamined="CHEST ")),
        part10(data_set(2, 1, 1, AnatomicRegionSequence=coded(CHEST, "Thorax", "99X"))),
        part10(data_set(3, 1, 1, BodyPartExamined="SOMEWHERE")),
    )
    return store


def found(store: Store, *params: tuple[str, str], level: Level = Level.STUDY) -> list[dict[str, Any]]:
    """The matches."""
    return [json.loads(one) for one in store.run(query(SYSTEM, parse(level, list(params)))).objects]


def numbers(store: Store, *params: tuple[str, str], level: Level = Level.STUDY) -> set[int]:
    """The numbers of the studies of the matches."""
    return {int(one["0020000D"]["Value"][0].rpartition(".")[2]) for one in found(store, *params, level=level)}


def test_a_long_code_keeps_no_object_out(store: Store) -> None:
    """Long Code Value has no end, the index has."""
    item = Dataset()
    item.LongCodeValue = "".join(f"{number:x}" for number in range(9000))  # which nothing makes much shorter
    store.add(part10(data_set(1, 1, 1, AnatomicRegionSequence=[item])))
    assert found(store, ("includefield", SEQUENCE))[0]["00080063"] == {"vr": "SQ"}


QUESTIONS = [
    ([(CODE, CHEST)], {1, 2}),
    ([(CODE, HAND)], {1}),
    ([(CODE, "69536005")], set()),
    ([(CODE, f"{HAND},{CHEST}")], {1, 2}),
    ([(CODE, "8160*")], {1, 2}),
    ([(CODE, CHEST), (SCHEME, "SCT")], {1}),
    ([(CODE, HAND), (SCHEME, "99X")], set()),
    ([(CODE, "")], {1, 2, 3}),
    ([("00080063.00080100", HAND)], {1}),
    ([(SEQUENCE, '""'), ("emptyvaluematching", "true")], {3}),
    ([(CODE, '""'), ("emptyvaluematching", "true")], {3}),
    ([(CODE, CHEST), ("PatientID", "nobody")], set()),
]


@pytest.mark.spec("PS3.4 C.3.4")
def test_studies_are_found_by_their_regions(filled: Store) -> None:
    """By code and scheme of one series, coded or by its body part, which a coded region stands before."""
    for params, expected in QUESTIONS:
        assert numbers(filled, *params) == expected, params
    assert numbers(filled, (CODE, HAND), level=Level.SERIES) == {1}
    with pytest.raises(HealixError, match="cannot be matched"):
        numbers(filled, (SEQUENCE, "x"))
    with pytest.raises(HealixError, match="cannot be sorted"):
        numbers(filled, ("orderby", SEQUENCE))


@pytest.mark.spec("PS3.4 C.3.4")
def test_the_regions_of_a_study_are_returned_when_asked_for(filled: Store) -> None:
    """Each once; empty where there are none; not unasked."""
    for asked in (("includefield", SEQUENCE), ("includefield", "all"), (CODE, "")):
        listed = [
            sorted(item["00080104"]["Value"][0] for item in one["00080063"].get("Value", ()))
            for one in found(filled, asked, ("orderby", "StudyInstanceUID"))
        ]
        assert listed == [["Chest", "Hand"], ["Thorax"], []]
    assert all("00080063" not in one for one in found(filled))


def test_regions_of_what_was_stored_before_are_read(filled: Store) -> None:
    """Searches by them are refused until then; studies with one are announced; it is done once."""
    filled.sql("UPDATE series SET region_code = NULL, region_scheme = NULL, region_meaning = NULL")
    filled.sql("DELETE FROM outbox")
    asked = parse(Level.STUDY, [("includefield", SEQUENCE)])
    unread = filled.run(query(SYSTEM, asked))
    with pytest.raises(HealixError, match="still being") as caught:
        numbers(filled, (CODE, CHEST))
    assert caught.value.category is Category.UNAVAILABLE
    assert filled.run(regions.declare())
    assert filled.sql("SELECT task_name FROM procrastinate_jobs") == [(regions.TASK,)]
    assert sum(regions.read(filled.pool)) == 5
    told = filled.sql("SELECT convert_from(payload, 'UTF8')::json ->> 'study' FROM outbox ORDER BY 1")
    assert [int(uid.rpartition(".")[2]) for (uid,) in told] == [1, 2]
    for params, expected in QUESTIONS:
        assert numbers(filled, *params) == expected, params
    assert filled.run(query(SYSTEM, asked, known=unread.state)).objects, "the list is another one"
    assert not filled.run(regions.declare())
