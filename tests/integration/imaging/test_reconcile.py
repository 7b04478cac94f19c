"""Unmatched studies are listed, given to a patient, and follow a merge."""

from __future__ import annotations

import json

import pytest

from healix_fhir.imaging.patients import made_id
from healix_fhir.imaging.reconcile import assign, unmatched
from healix_fhir.kernel.errors import Category, HealixError
from tests.integration.imaging.test_bridge import no_pause, put_patient, resources, settle, small, subjects
from tests.support.dicom import uid
from tests.support.study import SYSTEM, Store, caller

__all__ = ["no_pause"]


def waiting(store: Store) -> dict[str, list[str]]:
    """The candidates of each unmatched study."""
    return {one.study: list(one.candidates) for one in store.run(unmatched(SYSTEM))}


def test_worklist(store: Store) -> None:
    """A study waits while no Patient, or several, carry its PatientID; matched, it waits no more."""
    put_patient(store, "known", "K")
    for name in ("one", "two"):
        put_patient(store, name, "A")
    store.add(small(1, PatientID="K"), small(2, PatientID="A"), small(3, PatientID="N"), small(4, PatientID=None))
    settle(store)
    assert waiting(store) == {uid(2): ["one", "two"], uid(3): [], uid(4): []}
    put_patient(store, "new", "N")
    settle(store)
    assert waiting(store).keys() == {uid(2), uid(4)}


def test_assigned(store: Store) -> None:
    """A study given to a Patient is theirs alone, also as it grows, until it is taken back."""
    put_patient(store, "right", "R")
    store.add(small(1, PatientID="W"), small(2, PatientID="W"))
    settle(store)
    made = made_id(("W", ""))
    store.run(assign(SYSTEM, uid(1), "right"))
    assert store.sql("SELECT pat FROM study WHERE study_uid = %s", uid(1)) == [(None,)]
    settle(store)
    assert subjects(store) == {uid(1): "right", uid(2): made}
    assert waiting(store).keys() == {uid(2)}
    store.add(small(1, 1, 2, PatientID="W"), small(2, 1, 2, PatientID="W"))
    settle(store)
    assert subjects(store) == {uid(1): "right", uid(2): made}
    assert store.sql("SELECT instance_count FROM study ORDER BY study_uid") == [(2,), (2,)]
    audited = store.sql("SELECT patient FROM audit_event WHERE subtype = 'assign-study' ORDER BY seq")
    assert audited == [(made,), ("right",)]
    store.run(assign(SYSTEM, uid(1), None))
    settle(store)
    assert subjects(store) == {uid(1): made, uid(2): made}


def test_refused(store: Store) -> None:
    """Only who sees every study reconciles; unknown studies and Patients are refused."""
    store.add(small(1))
    put_patient(store, "p", "P9")
    for work in (unmatched(caller("user/*.cruds")), assign(caller("patient/*.cruds", pat=1), uid(1), "p")):
        with pytest.raises(HealixError) as refused:
            store.run(work)
        assert refused.value.category is Category.FORBIDDEN
    for study, patient in ((uid(9), "p"), (uid(1), "nobody"), (uid(1), "\0")):
        with pytest.raises(HealixError) as refused:
            store.run(assign(SYSTEM, study, patient))
        assert refused.value.category is Category.NOT_FOUND


def merged(store: Store, id_: str, into: str, value: str) -> None:
    """Merge a Patient into another."""
    link = [{"other": {"reference": f"Patient/{into}"}, "type": "replaced-by"}]
    put_patient(store, id_, value, active=False, link=link)


@pytest.mark.spec("FHIR R4 patient.html#links")
def test_merge(store: Store) -> None:
    """The studies of a Patient that is merged into another follow, by two steps too; a circle comes to an end."""
    for name in ("a", "b", "c"):
        put_patient(store, name, name.upper())
    store.add(small(1, PatientID="A"), small(2, PatientID="B"))
    settle(store)
    merged(store, "a", "b", "A")
    settle(store)
    assert subjects(store) == {uid(1): "b", uid(2): "b"}
    merged(store, "b", "c", "B")
    settle(store)
    assert subjects(store) == {uid(1): "c", uid(2): "c"}
    store.add(small(3, PatientID="A"))
    settle(store)
    assert subjects(store)[uid(3)] == "c"
    merged(store, "c", "a", "C")
    settle(store)
    assert set(subjects(store).values()) <= {"a", "b", "c"}


def test_made_one_merged(store: Store) -> None:
    """A made Patient that is merged into a real one by hand gives its studies to that one."""
    put_patient(store, "right", "R")
    store.add(small(1, PatientID="W"))
    settle(store)
    made = made_id(("W", ""))
    merged(store, made, "right", "W")
    settle(store)
    assert subjects(store) == {uid(1): "right"}
    assert waiting(store) == {}
    assert json.dumps(resources(store, "Patient")).count("replaced-by") == 1
