"""Studies go when their time is over, and can be restored; those under hold stay."""

from __future__ import annotations

from datetime import date, timedelta

import psycopg
import pytest

from dicomweb.study import expire
from dicomweb.study.hold import hold
from dicomweb.study.restore import restore
from dicomweb.study.retention import Rule, put, remove, rules
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.dicom import data_set, part10, uid
from tests.support.study import SYSTEM, Store, caller

TODAY = date(2026, 6, 1)


@pytest.fixture
def filled(store: Store) -> Store:
    """Four CT studies of 2010, two of 2026, and a rule that keeps for ten years; all stored long ago."""
    for study in range(1, 5):
        store.add(part10(data_set(study, 1, 1, StudyDate="20100101")), part10(data_set(study, 1, 2)))
    store.add(part10(data_set(5)), part10(data_set(6)))
    store.sql("UPDATE study SET updated = updated - %s", timedelta(days=20 * 365))
    store.run(put(SYSTEM, Rule("ct", 3653, ("CT",))))
    return store


def left(store: Store) -> list[str]:
    """The studies that are there."""
    return [one for (one,) in store.sql("SELECT study_uid FROM study ORDER BY study_uid")]


def test_expire(filled: Store, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run tells what the run then deletes: all whose time is over but for those under hold."""
    monkeypatch.setattr(expire, "BATCH", 2)
    filled.run(hold(SYSTEM, uid(2), "lawsuit"))
    with psycopg.connect(database_url, autocommit=True) as connection:
        told = list(expire.over(connection, TODAY))
        assert [(one.study, one.instances, one.until, one.rule) for one in told] == [
            (uid(study), 2, date(2020, 1, 2), "ct") for study in (1, 3, 4)
        ]
        assert len(left(filled)) == 6
        assert list(expire.expire(connection, TODAY)) == told
        assert list(expire.expire(connection, TODAY)) == []
    assert left(filled) == [uid(2), uid(5), uid(6)]
    assert filled.sql("SELECT DISTINCT code FROM deleted_instance") == [("113039",)]
    words = filled.sql("SELECT entity, client FROM audit_event WHERE subtype = 'expire-instances' ORDER BY seq")
    assert words == [(uid(study), "retention") for study in (1, 3, 4)]
    assert len(filled.run(restore(SYSTEM, uid(1)))) == 2


def test_outlook(filled: Store, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells what would go today, what rests although its time is over, and when it has not looked at all."""
    filled.sql("UPDATE study SET updated = %s WHERE study_uid = %s", TODAY, uid(3))
    seen = filled.run(expire.outlook(TODAY, 1))
    assert ([one.study for one in seen.first], seen.studies, seen.resting, seen.whole) == ([uid(1)], 3, 1, True)
    assert len(left(filled)) == 6
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert [one.study for one in expire.over(connection, TODAY)] == [uid(1), uid(2), uid(4)]
        assert [one.study for one in expire.judged(connection, TODAY)] == [uid(1), uid(2), uid(3), uid(4)]
    monkeypatch.setattr(expire, "BATCH", 2)
    monkeypatch.setattr(expire, "LOOKED_AT", 1)
    seen = filled.run(expire.outlook(TODAY, 9))
    assert ([one.study for one in seen.first], seen.resting, seen.whole) == ([uid(1), uid(2)], 0, False)


def test_held_meanwhile(filled: Store, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study that comes under hold between the look and the deletion stays."""
    found = expire.over

    def held(connection: psycopg.Connection[tuple[object, ...]], today: date) -> list[expire.Expired]:
        seen = list(found(connection, today))
        filled.run(hold(SYSTEM, uid(1), "lawsuit"))
        return seen

    monkeypatch.setattr(expire, "over", held)
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert [one.study for one in expire.expire(connection, TODAY)] == [uid(2), uid(3), uid(4)]


def test_rules(filled: Store) -> None:
    """Rules are replaced by name, listed and removed by those who see every study, and audited."""
    filled.run(put(SYSTEM, Rule("ct", 5, ("CT", "MR"), "General", 21)))
    assert filled.run(rules()) == [Rule("ct", 5, ("CT", "MR"), "General", 21)]
    for work in (put(caller("user/*.cruds"), Rule("x", 1)), remove(caller("patient/*.cruds", pat=1), "ct")):
        with pytest.raises(HealixError) as refused:
            filled.run(work)
        assert refused.value.category is Category.FORBIDDEN
    filled.run(remove(SYSTEM, "ct"))
    assert filled.run(rules()) == []
    with pytest.raises(HealixError) as refused:
        filled.run(remove(SYSTEM, "ct"))
    assert refused.value.category is Category.NOT_FOUND
    assert filled.sql("SELECT count(*) FROM audit_event WHERE subtype = 'retention-rule'") == [(3,)]


@pytest.mark.parametrize(
    "rule",
    [Rule("", 1), Rule("a\n", 1), Rule("a", 0), Rule("a", 10**9), Rule("a", 1, ("\0",)), Rule("a", 1, until_age=0)],
)
def test_impossible_rules(store: Store, rule: Rule) -> None:
    """A rule that means nothing is refused."""
    with pytest.raises(HealixError) as refused:
        store.run(put(SYSTEM, rule))
    assert refused.value.category is Category.INVALID
