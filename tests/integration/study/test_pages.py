"""The searches of C-FIND: pages without end, and patients by their studies, within what the caller may see."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from psycopg import RawCursor

from dicomweb.study.pages import WHOSE, page, page_with_related, patients
from dicomweb.study.query import Level, Query
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.placeholders import posed
from tests.support.dicom import data_set, part10, uid
from tests.support.studies_at_scale import fill
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


@pytest.mark.spec("PS3.4 Table C.6-5 (2024d)")
def test_studies_tell_what_there_is_of_their_patient(store: Store, own: int) -> None:
    """As far as the caller sees it; of a study without PatientID nothing is told."""
    asked = Query(Level.STUDY, include=WHOSE)
    store.sql("UPDATE study SET patient_id = NULL WHERE study_uid = %s", uid(3))
    nobodys, *found = store.run(page_with_related(SYSTEM, asked)).objects
    assert [numbers(one) for one in found] == [("P1", [2, 2, 4])] * 2
    assert {STUDIES, SERIES, INSTANCES}.isdisjoint(json.loads(nobodys))
    (mine,) = store.run(page_with_related(caller("patient/ImagingStudy.s", pat=own), asked)).objects
    assert numbers(mine) == ("P1", [1, 1, 2])


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
    for search in (page, page_with_related, patients):
        with pytest.raises(HealixError) as caught:
            store.run(search(reader, Query(Level.STUDY)))
        assert caught.value.category is Category.FORBIDDEN


DAYS = ("20240102", "20240101", "20240101", "20240101", None, None)
WHO = (("P2", None), ("P1", "A"), ("P1", "B"), ("P1", None), (None, "A"), (None, None))
"""PatientID and issuer of the studies."""


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_neither_repeat_nor_miss(store: Store, limit: int) -> None:
    """Pages of any size hold each match once in the usual order, also those that lack what they are ordered by."""
    store.add(*(part10(data_set(number)) for number in range(1, 7)))
    for number, (day, who) in enumerate(zip(DAYS, WHO, strict=True), 1):
        store.sql(
            "UPDATE study SET study_date = %s, patient_id = %s, patient_id_issuer = %s WHERE study_uid = %s",
            day, *who, uid(number),
        )  # fmt: skip
    studies = [json.loads(one)["0020000D"]["Value"][0] for one in pages(store, page, limit)]
    assert studies == [uid(number) for number in (1, 4, 3, 2, 6, 5)]
    assert [named(one) for one in pages(store, patients, limit)] == [WHO[at] for at in (1, 2, 3, 0, 4, 5)]


def pages(store: Store, search: Callable[..., Any], limit: int) -> list[bytes]:
    """All matches, page by page."""
    found: list[bytes] = []
    after = None
    while True:
        one = store.run(search(SYSTEM, Query(Level.STUDY, limit=limit), after))
        found += one.objects
        after = one.last
        if after is None:
            return found


def named(one: bytes) -> tuple[str | None, ...]:
    """PatientID and issuer."""
    found: dict[str, Any] = json.loads(one)
    return tuple(found.get(tag, {}).get("Value", [None])[0] for tag in ("00100020", "00100021"))


@pytest.mark.parametrize("search", [page, patients])
def test_a_page_far_behind_costs_what_the_first_costs(store: Store, search: Callable[..., Work[Any]]) -> None:
    """No page passes over those before it: a peer that asks for everything gets it in a time that grows with it."""
    place: tuple[Any, ...]
    with store.pool.connection() as connection:
        fill(connection, studies=5000)
        (far,) = connection.execute("SELECT study_date, pk FROM study ORDER BY 1 DESC, 2 DESC OFFSET 2500").fetchmany(1)
        place = far if search is page else ("MRN0002500", None)
        costs = []
        for after in (None, place):
            statement = list(taken(search(SYSTEM, Query(Level.STUDY, limit=50), after)))[-1]
            sql, params = posed(statement.sql, statement.params)
            with RawCursor(connection) as cursor:
                plan = cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql.decode()}", params).fetchone()
            assert plan is not None
            costs.append(plan[0][0]["Plan"]["Shared Hit Blocks"] + plan[0][0]["Plan"]["Shared Read Blocks"])
    first, last = costs
    assert last < 1.5 * first, costs


def taken(work: Work[Any]) -> Iterator[Statement]:
    """The statements of a use case, none of which finds anything."""
    with suppress(StopIteration, IndexError, ValueError):
        statement = next(work)
        while True:
            yield statement
            statement = work.send([])
