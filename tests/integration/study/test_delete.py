"""What is deleted is gone at once, kept for a while, and put back as it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from dicomweb.study import purge
from dicomweb.study.delete import delete
from dicomweb.study.hold import hold, holds, release
from dicomweb.study.purge import due
from dicomweb.study.query import Level, Query, query
from dicomweb.study.restore import deletions, restore
from dicomweb.study.retrieve import instances
from dicomweb.study.sweep import sweep
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.dicom import ct, data_set, part10, uid
from tests.support.study import SYSTEM, Store, caller

TABLES = ("study", "series", "instance")


def filled(store: Store) -> None:
    """Two series of two images and one of another modality in study 1, one image in study 2."""
    store.add(*(ct(1, series, number, size=8) for series in (1, 2) for number in (1, 2)), ct(2, 1, 1, size=8))
    store.add(part10(data_set(1, 3, 1, Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")))


def rows(store: Store) -> dict[str, list[Any]]:
    """All rows but for the moment of change and the patient, which the bridge sets."""
    return {table: store.sql(f"SELECT to_jsonb(t) - 'updated' - 'pat' FROM {table} t ORDER BY pk") for table in TABLES}


def counts(store: Store, study: int = 1) -> Any:
    """What the study row says of its content; None without one."""
    found = store.sql(
        "SELECT series_count, instance_count, modalities, cardinality(sop_classes) FROM study WHERE study_uid = %s",
        uid(study),
    )
    return found[0] if found else None


def kept(store: Store) -> int:
    """How many instances wait to be removed."""
    return int(store.sql("SELECT count(*) FROM deleted_instance")[0][0])


@pytest.mark.parametrize(
    ("path", "expected", "left"),
    [
        ((uid(1),), 5, None),
        ((uid(1), uid(1, 3)), 1, (2, 4, ["CT"], 1)),
        ((uid(1), uid(1, 1)), 2, (2, 3, ["CT", "SR"], 2)),
        ((uid(1), uid(1, 1), uid(1, 1, 2)), 1, (3, 4, ["CT", "SR"], 2)),
    ],
)
def test_deleted_and_restored(store: Store, path: tuple[str, ...], expected: int, left: Any) -> None:
    """A study, a series, an instance goes from every row and count, its blob stays; restored, all is as before."""
    filled(store)
    before, files = rows(store), store.files()
    assert len(store.run(delete(SYSTEM, *path))) == expected
    assert counts(store) == left
    assert store.files() == files
    found = store.run(query(SYSTEM, Query(Level.INSTANCE, (("StudyInstanceUID", uid(1)),))))
    assert len(found.objects) == 5 - expected
    with pytest.raises(HealixError) as refused:
        store.run(instances(SYSTEM, *path))
    assert refused.value.category is Category.GONE
    (listed,) = store.run(deletions(SYSTEM))
    assert (listed.study, listed.instances) == (uid(1), expected)
    assert len(store.run(restore(SYSTEM, *path))) == expected
    assert rows(store) == before
    assert kept(store) == 0
    assert store.sql("SELECT pat FROM study WHERE study_uid = %s", uid(1)) == [(None,)]


@pytest.mark.parametrize(
    ("path", "category"),
    [
        ((uid(3),), Category.NOT_FOUND),
        ((uid(1), uid(2, 1)), Category.NOT_FOUND),
        ((uid(1), uid(1, 1), uid(1, 2, 1)), Category.NOT_FOUND),
        (("1.2/../3",), Category.INVALID),
        ((uid(1), "x"), Category.INVALID),
    ],
)
def test_nothing_to_delete(store: Store, path: tuple[str, ...], category: Category) -> None:
    """What is not there, or is not where it is said to be, deletes nothing."""
    filled(store)
    before = rows(store)
    for call in (delete, restore):
        with pytest.raises(HealixError) as refused:
            store.run(call(SYSTEM, *path))
        assert refused.value.category is category
    assert rows(store) == before


def test_twice(store: Store) -> None:
    """What is deleted already is gone; a part of it too."""
    filled(store)
    store.run(delete(SYSTEM, uid(1), uid(1, 1)))
    for path in ((uid(1), uid(1, 1)), (uid(1), uid(1, 1), uid(1, 1, 1))):
        with pytest.raises(HealixError) as refused:
            store.run(delete(SYSTEM, *path))
        assert refused.value.category is Category.GONE


def test_labelled(store: Store) -> None:
    """A deleted study that a label restricted is answered as if it had never been."""
    filled(store)
    store.sql("UPDATE study SET imaging_study = 7")
    store.sql("INSERT INTO index_label (pk, label, restricted) VALUES (7, 'R', true)")
    store.run(delete(SYSTEM, uid(1)))
    with pytest.raises(HealixError) as refused:
        store.run(instances(SYSTEM, uid(1)))
    assert refused.value.category is Category.NOT_FOUND


@pytest.mark.parametrize("scope", ["system/ImagingStudy.crus", "system/Patient.d"])
def test_other_scopes(store: Store, scope: str) -> None:
    """Deleting needs the permission to delete."""
    filled(store)
    with pytest.raises(HealixError) as refused:
        store.run(delete(caller(scope), uid(1)))
    assert refused.value.category is Category.FORBIDDEN


@pytest.mark.parametrize("pat", [None, 12])
def test_other_patient(store: Store, pat: int | None) -> None:
    """A study of another patient, or of nobody yet, is not there for a patient's app, deleted or not."""
    filled(store)
    store.sql("UPDATE study SET pat = %s", pat)
    other = caller("patient/ImagingStudy.cruds", pat=11)
    for _ in range(2):
        for call in (delete, instances):
            with pytest.raises(HealixError) as refused:
                store.run(call(other, uid(1)))
            assert refused.value.category is Category.NOT_FOUND
        if counts(store) is not None:
            store.run(delete(SYSTEM, uid(1)))


def test_stored_again(store: Store) -> None:
    """What is stored again after its deletion is a new object; restoring brings back only what was not."""
    filled(store)
    store.run(delete(SYSTEM, uid(1)))
    changed = part10(data_set(1, 1, 1, StudyDescription="again"))
    (outcome,) = store.add(changed)
    assert outcome.status.value == "stored"
    assert sorted(store.run(restore(SYSTEM, uid(1)))) == sorted(
        [uid(1, 1, 2), uid(1, 2, 1), uid(1, 2, 2), uid(1, 3, 1)]
    )
    assert counts(store) == (3, 5, ["CT", "SR"], 2)
    with pytest.raises(HealixError) as refused:
        store.run(restore(SYSTEM, uid(1)))
    assert refused.value.category is Category.CONFLICT
    assert store.sql("SELECT study_description FROM study WHERE study_uid = %s", uid(1)) == [("again",)]


def old(store: Store) -> None:
    """Let deletions be 31 days old."""
    store.sql("UPDATE deleted_instance SET deleted = deleted - %s", timedelta(days=31))


def purged(store: Store, url: str) -> int:
    """Remove for good what was deleted 30 days ago."""
    with psycopg.connect(url, autocommit=True) as connection:
        return purge.purge(connection, store.archive, 30)


def test_purge(store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time a deleted object goes for good, rows and blobs, and nothing else does; it is audited."""
    monkeypatch.setattr(purge, "BATCH", 2)
    filled(store)
    before = store.files()
    store.run(delete(SYSTEM, uid(1)))
    assert purged(store, database_url) == 0
    assert store.files() == before
    old(store)
    store.run(delete(SYSTEM, uid(2)))
    assert purged(store, database_url) == 5
    assert len(store.files()) == 1
    assert kept(store) == 1
    assert len(store.run(restore(SYSTEM, uid(2)))) == 1
    audited = store.sql("SELECT action, entity, client FROM audit_event WHERE subtype = 'purge-instances'")
    assert set(audited) == {("D", uid(1), "purge")}


def test_killed_between(store: Store, database_url: str) -> None:
    """A purge killed before it removed the blobs leaves orphans that the sweep removes; it keeps what is kept."""
    filled(store)
    store.run(delete(SYSTEM, uid(1)))
    old(store)
    store.run(delete(SYSTEM, uid(2)))
    assert store.run(sweep(store.archive, age=-1)) == 0
    assert len(store.run(due(30))) == 5
    assert store.run(sweep(store.archive, age=-1)) == 5
    assert len(store.files()) == 1


def test_hold(store: Store, database_url: str) -> None:
    """A study under hold cannot be deleted, and what is deleted of it is not removed; released, it can."""
    filled(store)
    store.run(delete(SYSTEM, uid(1), uid(1, 1)))
    old(store)
    store.run(hold(SYSTEM, uid(1), " a  law\0suit "))
    (held,) = store.run(holds(SYSTEM))
    assert (held.study, held.reason, held.instances) == (uid(1), "a lawsuit", 3)
    for path in ((uid(1),), (uid(1), uid(1, 2)), (uid(1), uid(1, 2), uid(1, 2, 1))):
        with pytest.raises(HealixError) as refused:
            store.run(delete(SYSTEM, *path))
        assert refused.value.category is Category.CONFLICT
    assert purged(store, database_url) == 0
    store.run(release(SYSTEM, uid(1)))
    assert purged(store, database_url) == 2
    store.run(delete(SYSTEM, uid(1)))
    with pytest.raises(HealixError) as refused:
        store.run(release(SYSTEM, uid(1)))
    assert refused.value.category is Category.NOT_FOUND
    assert [word for (word,) in store.sql("SELECT subtype FROM audit_event WHERE action = 'U' ORDER BY seq")] == [
        "hold",
        "release",
    ]


@pytest.mark.parametrize("reason", ["", " \0", "x" * 501])
def test_hold_needs_a_reason(store: Store, reason: str) -> None:
    """A hold without a reason, or with a novel for one, is refused."""
    with pytest.raises(HealixError) as refused:
        store.run(hold(SYSTEM, uid(1), reason))
    assert refused.value.category is Category.INVALID


def test_hold_by_others(store: Store) -> None:
    """Who does not see every study holds none."""
    for work in (hold(caller("patient/ImagingStudy.cruds", pat=1), uid(1), "x"), holds(caller("user/*.cruds"))):
        with pytest.raises(HealixError) as refused:
            store.run(work)
        assert refused.value.category is Category.FORBIDDEN
