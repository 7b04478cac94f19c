"""A study with other labels is in the other record, over FHIR as over DICOM, with what it has."""

from __future__ import annotations

import pytest

from dicomweb.study.receive import Receiver
from dicomweb.study.relabel.asked import NEW, ask
from dicomweb.study.relabel.perform import perform
from dicomweb.study.relabel.undo import undo
from healix_fhir.imaging.labels import labels, labels_of
from healix_fhir.imaging.patients import fits
from healix_fhir.imaging.reconcile import assign
from healix_fhir.interaction.accept import change
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from tests.integration.imaging.test_bridge import BASES, no_pause, put_patient, resources, settle, small, subjects
from tests.integration.imaging.test_deleted import RESTRICTED
from tests.support.dicom import uid
from tests.support.study import SYSTEM, Store

__all__ = ["no_pause"]


def make(store: Store, **asked: object) -> str:
    """Change study 1; the study that it went to."""
    number = store.run(ask(SYSTEM, uid(1), reason="wrong entry", **asked))  # type: ignore[arg-type]
    made = perform(store.pool, Receiver(store.archive), number)
    assert made.state == "done", made.message
    settle(store)
    return made.target


def counts(store: Store) -> dict[str, tuple[int, int]]:
    """Series and instances of each ImagingStudy by study."""
    return {
        one["identifier"][0]["value"].removeprefix("urn:oid:"): (one["numberOfSeries"], one["numberOfInstances"])
        for one in resources(store, "ImagingStudy")
    }


@pytest.mark.spec("FHIR R4 ImagingStudy")
def test_it_goes_to_the_record_that_its_labels_name_and_back(store: Store) -> None:
    """Closed until the bridge has found whose it is; then that patient's, and the first one's when it is taken back."""
    put_patient(store, "one", "P1")
    put_patient(store, "two", "P2", name=[{"family": "Roe"}])
    store.add(small(), small(1, 1, 2))
    settle(store)
    number = store.run(ask(SYSTEM, uid(1), labels=store.run(labels_of("two")), reason="wrong entry"))
    assert perform(store.pool, Receiver(store.archive), number).state == "done"
    assert store.sql("SELECT pat FROM study") == [(None,)]
    settle(store)
    assert subjects(store) == {uid(1): "two"}
    store.run(undo(SYSTEM, number))
    settle(store)
    assert subjects(store) == {uid(1): "one"}
    assert counts(store) == {uid(1): (1, 2)}


def test_both_studies_tell_of_what_they_have_when_a_series_moved(store: Store) -> None:
    """A study of its own appears with it; one that has nothing left is deleted."""
    store.add(small(), small(1, 2, 1), small(1, 2, 2), small(2))
    settle(store)
    made = make(store, series=[uid(1, 2)], target=NEW)
    assert counts(store) == {uid(1): (1, 1), made: (1, 2), uid(2): (1, 1)}
    make(store, target=uid(2))
    assert counts(store) == {made: (1, 2), uid(2): (2, 2)}


def test_what_was_given_by_hand_stays_unless_a_patient_id_is_written(store: Store) -> None:
    """Also what is split off; written, the PatientID decides."""
    for name in ("one", "two"):
        put_patient(store, name, f"P-{name}")
    store.add(small(PatientID="W"), small(1, 2, 1, PatientID="W"))
    settle(store)
    store.run(assign(SYSTEM, uid(1), "one"))
    settle(store)
    made = make(store, series=[uid(1, 2)], target=NEW)
    assert subjects(store) == {uid(1): "one", made: "one"}
    make(store, labels={"StudyDescription": "Knee"})
    assert subjects(store)[uid(1)] == "one"
    make(store, labels={"PatientID": "P-two"})
    assert subjects(store) == {uid(1): "two", made: "one"}


def test_a_security_label_keeps_a_study_together(store: Store) -> None:
    """What would go to another study would lose it."""
    store.add(small(), small(1, 2, 1))
    settle(store)
    (found,) = resources(store, "ImagingStudy")
    found["meta"] = {"security": [RESTRICTED]}
    store.run(commit(SYSTEM, [change(Method.PUT, found, "ImagingStudy", found["id"], BASES)]))
    with pytest.raises(HealixError) as refused:
        store.run(ask(SYSTEM, uid(1), series=[uid(1, 2)], target=NEW, reason="r"))
    assert refused.value.category is Category.CONFLICT
    make(store, labels={"StudyDescription": "Knee"})
    assert resources(store, "ImagingStudy")[0]["meta"]["security"] == [RESTRICTED]


@pytest.mark.parametrize(
    ("patient", "expected"),
    [
        (
            {
                "identifier": [{"system": "urn:oid:1.2.3", "value": "4711"}],
                "name": [{"family": "Roe", "given": ["Ann", "Bea", "C"], "prefix": ["Dr."], "suffix": ["Jr."]}],
                "birthDate": "1980-02-03",
                "gender": "female",
            },
            ("Roe^Ann^Bea C^Dr.^Jr.", "4711", "1.2.3", "19800203", "F"),
        ),
        (
            {"identifier": [{"value": "4711", "assigner": {"display": "Here"}}], "name": [{"text": "A^nn"}]},
            ("A nn", "4711", "Here", "", ""),
        ),
        ({"identifier": [{"value": "1"}], "birthDate": "1980", "gender": "unknown"}, ("", "1", "", "", "")),
    ],
)
def test_a_record_gives_its_labels(patient: dict[str, object], expected: tuple[str, ...]) -> None:
    """Name, identifier and issuer, birth date and sex, so that the bridge finds the same record by them."""
    found = labels(patient)
    assert tuple(found.values()) == expected
    assert fits(patient, (found["PatientID"], found["IssuerOfPatientID"]))


def test_a_record_without_an_identifier_gives_none() -> None:
    """A PatientID cannot be made up."""
    with pytest.raises(HealixError) as refused:
        labels({"name": [{"family": "Roe"}]})
    assert refused.value.category is Category.INVALID
