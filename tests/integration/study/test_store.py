"""Storing through the services, on a real database and disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from dicomweb.status import Reason
from dicomweb.study.outcome import Disposition
from dicomweb.study.receive import FileMeta
from dicomweb.study.store import deposit, store_new
from healix_fhir.kernel.database import run
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.dicom import bare, ct, data_set, part10, uid, with_pixels
from tests.support.query_recorder import query_recorder
from tests.support.serve import wait_until
from tests.support.study import SYSTEM, Store, caller

COUNTS = "SELECT (SELECT count(*) FROM study), (SELECT count(*) FROM series), (SELECT count(*) FROM instance)"


def small(study: int = 1, series: int = 1, instance: int = 1, **elements: object) -> bytes:
    """A CT image of 8 x 8 pixels."""
    return part10(with_pixels(data_set(study, series, instance, **elements)))


@pytest.mark.spec("PS3.18 10.5")
def test_one_object_makes_a_row_at_each_level(store: Store) -> None:
    """One object makes a study, a series and an instance, an audit row and an event, and its blob is there."""
    (outcome,) = store.add(ct())
    assert outcome.status is Disposition.STORED
    assert store.sql(COUNTS) == [(1, 1, 1)]
    assert store.sql("SELECT action, subtype, outcome, entity FROM audit_event") == [("C", "STOW-RS", 0, uid(1))]
    payload = "convert_from(payload, 'UTF8')::json ->> 'study'"
    assert store.sql(f"SELECT topic, {payload} FROM outbox") == [("study", uid(1))]
    assert len(store.files()) == 1


def test_counters_and_modalities_follow_what_is_stored(store: Store) -> None:
    """Counts, modalities and SOP classes of study and series are those of their instances."""
    store.add(small(1, 1, 1), small(1, 1, 2))
    store.add(small(1, 2, 1, Modality="PT"), small(1, 1, 3), small(2, 1, 1))
    assert store.sql("SELECT series_count, instance_count, modalities FROM study ORDER BY study_uid") == [
        (2, 4, ["CT", "PT"]),
        (1, 1, ["CT"]),
    ]
    assert store.sql("SELECT instances_in_series FROM series ORDER BY series_uid") == [(3,), (1,), (1,)]


def test_concurrent_groups_of_one_study_are_counted_exactly(store: Store) -> None:
    """Many groups of one study at once neither lose nor repeat a count."""
    groups = [[small(1, series, number) for number in range(group * 3, group * 3 + 3)] for group in range(8)
              for series in [group % 2 + 1]]  # fmt: skip
    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(lambda group: store.add(*group), groups))
    assert {outcome.status for group in outcomes for outcome in group} == {Disposition.STORED}
    assert store.sql("SELECT series_count, instance_count FROM study") == [(2, 24)]
    assert store.sql("SELECT sum(instances_in_series) FROM series") == [(24,)]


def test_new_objects_cost_one_statement(store: Store) -> None:
    """However many new objects a group has, they are one statement; three more where one of them is refused."""
    group = [store.receive(small(study, 1, number)) for study in (1, 2) for number in range(5)]
    with query_recorder() as statements:
        deposit(store.pool, store.archive, SYSTEM, group, "STOW-RS")
    assert len(statements) == 1
    with query_recorder() as statements:
        store.add(small(1, 1, 6, PatientID="P2"), small(2, 1, 7))
    assert len(statements) == 1 + 3


def test_a_lost_race_is_run_again(store: Store) -> None:
    """A series that another transaction makes meanwhile is counted once, and all objects are there."""
    first, second = store.receive(small(1, 1, 1)), store.receive(small(1, 1, 2))
    with ThreadPoolExecutor(1) as other:
        with store.pool.connection() as connection, connection.transaction():
            run(connection, store_new(SYSTEM, [first], "STOW-RS"))
            outcomes = other.submit(deposit, store.pool, store.archive, SYSTEM, [second], "STOW-RS")
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            wait_until(lambda: store.sql(waiting) == [(1,)], "the second to wait for the first")
        assert outcomes.result(10)[0].status is Disposition.STORED
    assert store.sql("SELECT series_count, instance_count, modalities FROM study") == [(1, 2, ["CT"])]
    assert store.sql("SELECT instances_in_series FROM series") == [(2,)]
    assert store.sql("SELECT count(*) FROM audit_event") == [(2,)]


def test_the_same_object_again_changes_nothing(store: Store) -> None:
    """An identical object is accepted without a second row, blob or event, also from another implementation."""
    store.add(small())
    files = store.files()
    again = small()
    meta = FileMeta("1.2.840.10008.5.1.4.1.1.2", uid(1, 1, 1), "1.2.840.10008.1.2.1", "OTHER")
    (outcome,) = store.add(again)
    assert outcome.status is Disposition.DUPLICATE
    store.archive.remove([store.receive(bare(again), meta).key])
    assert store.receive(bare(again), meta).digest == store.sql("SELECT digest FROM instance")[0][0]
    assert store.sql(COUNTS) == [(1, 1, 1)]
    assert store.sql("SELECT count(*) FROM outbox") == [(1,)]
    assert set(files) <= set(store.files())


def test_another_object_with_a_known_uid_is_refused(store: Store) -> None:
    """A different object with the same SOP Instance UID is refused as duplicate, and its blob removed."""
    store.add(small())
    files = store.files()
    (outcome,) = store.add(small(PatientComments="changed"))
    assert (outcome.status, outcome.reason) == (Disposition.REFUSED, Reason.DUPLICATE_INSTANCE)
    assert store.files() == files


def test_twice_in_one_group(store: Store) -> None:
    """An object that is in a group twice is stored once."""
    statuses = [outcome.status for outcome in store.add(small(), small())]
    assert statuses == [Disposition.STORED, Disposition.DUPLICATE]
    assert len(store.files()) == 1


def test_one_refused_does_not_harm_the_others(store: Store) -> None:
    """In a group with a wrong object, the right ones are stored and the wrong one has its reason."""
    store.add(small())
    outcomes = store.add(small(1, 1, 2), small(1, 1, 3, PatientID="P2"), small(1, 1, 4))
    assert [outcome.status.value for outcome in outcomes] == ["stored", "refused", "stored"]
    assert outcomes[1].reason is Reason.DATA_SET_DOES_NOT_MATCH
    assert store.sql(COUNTS) == [(1, 1, 3)]
    assert len(store.files()) == 3


@pytest.mark.parametrize("change", [{"PatientID": "P2"}, {"PatientID": ""}, {"IssuerOfPatientID": "elsewhere"}])
def test_a_study_keeps_its_patient(store: Store, change: dict[str, str]) -> None:
    """An object of another patient is not put into an existing study."""
    store.add(small())
    (outcome,) = store.add(small(1, 1, 2, **change))
    assert outcome.reason is Reason.DATA_SET_DOES_NOT_MATCH
    assert store.sql(COUNTS) == [(1, 1, 1)]


@pytest.mark.filterwarnings("ignore:The value length")
@pytest.mark.parametrize("change", [{"PatientID": "x" * 257}, {"IssuerOfPatientID": "x" * 257}])
def test_an_identity_without_end_is_refused(store: Store, change: dict[str, str]) -> None:
    """What no index holds is refused as it comes, not found out about when the ImagingStudy is made."""
    (outcome,) = store.add(small(1, 1, 1, **change))
    assert outcome.reason is Reason.CANNOT_UNDERSTAND
    assert store.sql(COUNTS) == [(0, 0, 0)]


def test_a_series_keeps_its_study(store: Store) -> None:
    """A series UID that belongs to another study is refused, and no empty study is left."""
    store.add(small())
    (outcome,) = store.add(small(2, 1, 1, SeriesInstanceUID=uid(1, 1)))
    assert outcome.reason is Reason.DATA_SET_DOES_NOT_MATCH
    assert store.sql(COUNTS) == [(1, 1, 1)]


def test_storing_needs_the_scope(store: Store) -> None:
    """Without create on ImagingStudy nothing is stored, in rows or on disk."""
    with pytest.raises(HealixError) as caught:
        store.add(small(), access=caller("system/ImagingStudy.rs"))
    assert caught.value.category is Category.FORBIDDEN
    assert store.sql(COUNTS) == [(0, 0, 0)]
    assert store.files() == []


def test_a_patients_token_stores_into_its_own_record_only(store: Store) -> None:
    """A token of one patient stores images of that patient, known by PatientID, and of nobody else."""
    (own,) = store.sql("INSERT INTO patient_key (id) VALUES ('own') RETURNING pat")
    (other,) = store.sql("INSERT INTO patient_key (id) VALUES ('other') RETURNING pat")
    store.sql("INSERT INTO study_patient VALUES ('P1', '', %s), ('P2', '', %s)", own[0], other[0])
    access = caller("patient/ImagingStudy.c", pat=own[0])
    outcomes = store.add(
        small(1, 1, 1, PatientID="P1"), small(2, 1, 1, PatientID="P2"), small(3, 1, 1, PatientID="P3"), access=access
    )
    assert [outcome.status.value for outcome in outcomes] == ["stored", "refused", "refused"]
    assert {outcome.reason for outcome in outcomes[1:]} == {Reason.NOT_AUTHORIZED}
    assert {outcome.message for outcome in outcomes[1:]} == {outcomes[1].message}
    assert store.sql("SELECT study_uid, pat FROM study") == [(uid(1), own[0])]
    audit = store.sql("SELECT entity, outcome, patient FROM audit_event ORDER BY entity")
    assert audit == [(uid(1), 0, "own"), (uid(2), 4, "other"), (uid(3), 4, None)]
