"""Lists that were sent before: their rows are not sent again to those who know them, while they are the same."""

from __future__ import annotations

import json

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.index.attributes import Level
from dicomweb.study.parameters import parse
from dicomweb.study.query import Matches, query
from healix_fhir.kernel.database import Row, one, run
from smart_auth.access import AccessContext
from tests.support.dicom import ct, uid
from tests.support.query_recorder import query_recorder
from tests.support.studies_at_scale import fill
from tests.support.study import SYSTEM, Store, caller

AUDITED = "SELECT action, outcome, client, patient, entity, query FROM audit_event WHERE action = 'E' ORDER BY seq"
LEVELS = list(Level)


def listed(
    store: Store, level: Level, *params: tuple[str, str], access: AccessContext = SYSTEM, known: bytes | None = None
) -> Matches:
    """What a list has."""
    return store.run(query(access, parse(level, list(params)), base="https://example.org/dicomweb", known=known))


@pytest.fixture
def filled(store: Store) -> Store:
    """Two studies of one patient, one with two series, and one of another patient."""
    store.add(ct(1, 1, 1, size=8), ct(1, 2, 1, size=8), ct(2, 1, 1, size=8), ct(3, 1, 1, size=8))
    (own,), (other,) = store.sql("INSERT INTO patient_key (id) VALUES ('own'), ('other') RETURNING pat")
    store.sql("UPDATE study SET pat = %s", own)
    store.sql("UPDATE study SET pat = %s WHERE study_uid = %s", other, uid(3))
    return store


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_known_takes_one_statement_and_is_on_record(filled: Store, level: Level) -> None:
    """At each level the database recognises the page, tells what remains, and writes the same audit rows."""
    first = listed(filled, level, ("limit", "2"))
    assert (len(first.objects), first.known) == (2, False)
    trail = filled.sql(AUDITED)
    with query_recorder() as recorded:
        again = listed(filled, level, ("limit", "2"), known=first.state)
    assert len([one for one in recorded if "audit_event" in one]) == len(recorded) == 1
    assert (again.objects, again.known, again.remaining, again.state) == ([], True, first.remaining, first.state)
    assert again.remaining
    assert filled.sql(AUDITED) == trail * 2


def test_each_patient_of_a_page_is_on_record_once(filled: Store) -> None:
    """Those who are shown, and nobody else; where nobody is, that there was a search."""
    for known in (None, listed(filled, Level.STUDY).state):
        before = len(filled.sql(AUDITED))
        listed(filled, Level.STUDY, known=known)
        assert sorted(filled.sql(AUDITED)[before:]) == [("E", 0, "test", who, None, "") for who in ("other", "own")]
    before = len(filled.sql(AUDITED))
    listed(filled, Level.STUDY, ("PatientID", "nobody"))
    listed(filled, Level.STUDY, ("limit", "0"))
    assert [row[3:] for row in filled.sql(AUDITED)[before:]] == [(None, None, "PatientID=nobody"), (None, None, "")]


@pytest.mark.parametrize(
    ("level", "change"),
    [
        (Level.STUDY, "UPDATE study SET study_description = 'other' WHERE pk = (SELECT min(pk) FROM study)"),
        (Level.STUDY, "DELETE FROM study WHERE pk = (SELECT max(pk) FROM study)"),
        (Level.SERIES, "UPDATE study SET study_description = 'other' WHERE pk = (SELECT min(pk) FROM study)"),
        (Level.SERIES, "UPDATE series SET series_description = 'other' WHERE pk = (SELECT min(pk) FROM series)"),
        (Level.INSTANCE, "UPDATE study SET study_description = 'other' WHERE pk = (SELECT min(pk) FROM study)"),
        (Level.INSTANCE, "UPDATE series SET series_description = 'other' WHERE pk = (SELECT min(pk) FROM series)"),
        (Level.INSTANCE, "UPDATE instance SET instance_number = 7 WHERE pk = (SELECT min(pk) FROM instance)"),
    ],
)
def test_what_has_changed_is_shown(filled: Store, level: Level, change: str) -> None:
    """Rows of the level with others, or of those above it, or one less: the list is the one that it is now."""
    first = listed(filled, level)
    assert listed(filled, level, known=first.state).known
    filled.sql(change)
    second = listed(filled, level, known=first.state)
    assert not second.known
    assert second.state != first.state
    assert second.objects == listed(filled, level).objects != first.objects


def test_another_order_is_another_list(filled: Store) -> None:
    """The same rows in turn are not those that are known."""
    first = listed(filled, Level.STUDY, ("orderby", "StudyInstanceUID"))
    second = listed(filled, Level.STUDY, ("orderby", "-StudyInstanceUID"), known=first.state)
    assert second.objects == first.objects[::-1]


@pytest.mark.parametrize("param", [("includefield", "PatientComments"), ("PatientID", "*")])
def test_what_is_made_each_time_has_no_state(filled: Store, param: tuple[str, str]) -> None:
    """What more than the index is read for, as that changes by itself, and what has keys."""
    first, again = (listed(filled, Level.STUDY, param, known=b"any") for _ in range(2))
    assert (first.state, first.known) == (None, False)
    assert again.objects == first.objects != []


def test_what_is_known_opens_nothing(filled: Store) -> None:
    """Whoever brings the state of a list sees what is theirs, and who may no longer see a study does not."""
    everything = listed(filled, Level.STUDY)
    (own,), (other,) = filled.sql("SELECT pat FROM patient_key ORDER BY id DESC")
    for pat, studies in ((own, {uid(1), uid(2)}), (other, {uid(3)})):
        found = listed(filled, Level.STUDY, access=caller("patient/*.rs", pat=pat), known=everything.state)
        assert not found.known
        assert {json.loads(one)["0020000D"]["Value"][0] for one in found.objects} == studies
    alone = listed(filled, Level.STUDY, access=caller("patient/*.rs", pat=other))
    filled.sql("UPDATE study SET pat = %s", own)
    lost = listed(filled, Level.STUDY, access=caller("patient/*.rs", pat=other), known=alone.state)
    assert (lost.objects, lost.known) == ([], False)


@pytest.mark.parametrize("params", [(), (("limit", "2"),), (("PatientID", "nobody"),)])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_standby_finds_the_same(filled: Store, params: tuple[tuple[str, str], ...], *, is_known: bool) -> None:
    """Where nothing can be written, the rows come apart from the audit rows, and both are the same."""
    known = listed(filled, Level.STUDY, *params).state if is_known else None
    before = len(filled.sql(AUDITED))
    statement = next(query(SYSTEM, parse(Level.STUDY, list(params)), known=known))
    whole = filled.run(one(statement))
    assert statement.apart is not None
    assert filled.run(statement.apart()) == whole
    trail = filled.sql(AUDITED)[before:]
    half = len(trail) // 2
    assert sorted(trail[:half], key=repr) == sorted(trail[half:], key=repr) != []


def test_a_list_of_many_is_planned_once(pool: ConnectionPool[Connection[Row]]) -> None:
    """Where nothing depends on who asks one plan serves all, however many studies there are."""
    with pool.connection() as connection:
        fill(connection, studies=4000)
        for _ in range(30):
            run(connection, query(SYSTEM, parse(Level.STUDY, [("limit", "101")])))
        plans = "SELECT generic_plans > custom_plans FROM pg_prepared_statements WHERE statement LIKE '%audited%'"
        assert connection.execute(plans).fetchall() == [(True,)]
