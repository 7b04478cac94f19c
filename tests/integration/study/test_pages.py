"""The searches of C-FIND: pages without end, and patients by their studies, within what the caller may see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dicomweb.study.pages import page, patients
from dicomweb.study.query import Level, Query
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.dicom import data_set, part10, uid
from tests.support.study import SYSTEM, Store, caller

STUDIES, SERIES, INSTANCES = "00201200", "00201202", "00201204"


@pytest.fixture
def own(store: Store) -> int:
    """The key of a patient with study 1. Study 2 has the same PatientID but is of another patient, as is study 3."""
    store.add(
        *(part10(data_set(study, 1, instance, PatientID="P2" if study == 3 else "P1"))
          for study in (1, 2, 3) for instance in (1, 2))
    )  # fmt: skip
    ((mine,), (others,)) = (store.sql("INSERT INTO patient_key (id) VALUES (%s) RETURNING pat", one) for one in "ab")
    store.sql("UPDATE study SET pat = %s WHERE study_uid = %s", mine[0], uid(1))
    store.sql("UPDATE study SET pat = %s WHERE study_uid <> %s", others[0], uid(1))
    return int(mine[0])


def numbers(one: bytes) -> tuple[str, list[int]]:
    """The PatientID of an answer, and how many studies, series and instances there are said to be."""
    found: dict[str, Any] = json.loads(one)
    return found["00100020"]["Value"][0], [found[tag]["Value"][0] for tag in (STUDIES, SERIES, INSTANCES)]


@pytest.mark.spec("PS3.4 C.4.1 (2024d)")
def test_patients_are_counted_as_far_as_the_caller_sees_them(store: Store, own: int) -> None:
    """Who sees one patient finds that one only, with the numbers of that one's studies; who sees all finds all."""
    found = store.run(patients(SYSTEM, Query(Level.STUDY))).objects
    assert [numbers(one) for one in found] == [("P1", [2, 2, 4]), ("P2", [1, 1, 2])]
    mine = store.run(patients(caller("patient/ImagingStudy.s", pat=own), Query(Level.STUDY))).objects
    assert [numbers(one) for one in mine] == [("P1", [1, 1, 2])]


@pytest.mark.spec("PS3.4 C.4.1 (2024d)")
@pytest.mark.parametrize("level", Level)
def test_pages_hold_what_the_caller_sees(store: Store, own: int, level: Level) -> None:
    """Pages of one go through the own study and nothing else, at each level."""
    access, after, found = caller("patient/ImagingStudy.s", pat=own), None, []
    while True:
        one = store.run(page(access, Query(level, limit=1), after))
        found += one.objects
        after = one.last
        if after is None:
            break
    assert {json.loads(one)["0020000D"]["Value"][0] for one in found} == {uid(1)}
    assert len(found) == (2 if level is Level.INSTANCE else 1)


def test_searching_needs_the_scope(store: Store, own: int) -> None:
    """Without search on ImagingStudy nothing is found."""
    reader = caller("patient/ImagingStudy.r", pat=own)
    for work in (page(reader, Query(Level.STUDY)), patients(reader, Query(Level.STUDY))):
        with pytest.raises(HealixError) as caught:
            store.run(work)
        assert caught.value.category is Category.FORBIDDEN
