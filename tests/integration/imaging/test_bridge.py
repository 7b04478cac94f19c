"""ImagingStudy and Patient appear through the outbox, once, and belong to the right record."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from healix_fhir.imaging import bridge
from healix_fhir.imaging.imaging_study import imaging_study_id
from healix_fhir.imaging.patients import made_id
from healix_fhir.interaction.accept import change
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.store import expunge
from healix_fhir.store.commit import commit
from healix_fhir.store.expunge import Extent
from healix_fhir.store.stored import Change, Method
from tests.support.dicom import data_set, part10, uid
from tests.support.serve import wait_until
from tests.support.study import SYSTEM, Store

BASES = ("http://localhost/fhir",)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> timedelta:
    """Studies rest not at all between two versions; returns how long they rest for each instance otherwise."""
    pause = bridge.PAUSE_PER_INSTANCE
    monkeypatch.setattr(bridge, "PAUSE_PER_INSTANCE", timedelta(0))
    return pause


def small(study: int = 1, series: int = 1, instance: int = 1, **elements: object) -> bytes:
    """An object without pixels."""
    return part10(data_set(study, series, instance, **elements))


def settle(store: Store) -> None:
    """Drain the outbox until nothing is left."""
    consumers = {"study": (bridge.studies(BASES),), "resource": (bridge.patients,)}
    for _ in range(20):
        store.sql("UPDATE outbox SET due = now() - interval '1 s'")
        with store.pool.connection() as connection:
            if not drain(connection, consumers):
                return
    pytest.fail("the outbox never becomes empty")


def resources(store: Store, type_name: str) -> list[dict[str, Any]]:
    """All current resources of a type."""
    rows = store.sql("SELECT body FROM resource WHERE type = %s AND NOT deleted ORDER BY id", TYPE_ID[type_name])
    return [json.loads(body) for (body,) in rows]


def put_patient(store: Store, id_: str, *values: str, system: str | None = None, **elements: Any) -> None:
    """Store a Patient with identifiers."""
    identifiers = [{"value": value} | ({"system": system} if system else {}) for value in values]
    resource = {"resourceType": "Patient", "id": id_, "identifier": identifiers} | elements
    store.run(commit(SYSTEM, [change(Method.PUT, resource, "Patient", id_, BASES)]))


def subjects(store: Store) -> dict[str, str]:
    """The subject of each ImagingStudy by study, checked against the study row."""
    found = {}
    for resource in resources(store, "ImagingStudy"):
        study = resource["identifier"][0]["value"].removeprefix("urn:oid:")
        (row,) = store.sql("SELECT k.id FROM study s JOIN patient_key k USING (pat) WHERE study_uid = %s", study)
        assert resource["subject"]["reference"] == f"Patient/{row[0]}"
        found[study] = row[0]
    return found


@pytest.mark.spec("FHIR R4 ImagingStudy")
def test_an_imaging_study_tells_of_its_study(store: Store) -> None:
    """Identifier, status, modality, start, series and instances are those of the stored study."""
    store.add(
        small(1, 2, 1, TimezoneOffsetFromUTC="+0200", Modality="PT"),
        small(1, 1, 2, BodyPartExamined="CHEST"),
        small(1, 1, 1, BodyPartExamined="CHEST"),
    )
    settle(store)
    (found,) = resources(store, "ImagingStudy")
    assert found["id"] == imaging_study_id(uid(1))
    assert found["identifier"][0] == {"system": "urn:dicom:uid", "value": f"urn:oid:{uid(1)}"}
    assert found["identifier"][1]["value"] == "A1"
    assert (found["status"], found["started"]) == ("available", "2026-01-02T03:04:05+02:00")
    assert [coding["code"] for coding in found["modality"]] == ["CT", "PT"]
    assert (found["numberOfSeries"], found["numberOfInstances"]) == (2, 3)
    first = found["series"][0]
    assert (first["uid"], first["number"], first["modality"]["code"]) == (uid(1, 1), 1, "CT")
    assert [one["uid"] for one in first["instance"]] == [uid(1, 1, 1), uid(1, 1, 2)]
    assert first["instance"][0]["sopClass"]["code"] == "urn:oid:1.2.840.10008.5.1.4.1.1.2"


@pytest.mark.parametrize("moved", [False, True], ids=["new", "moved to another patient"])
def test_studies_are_locked_in_the_order_of_those_who_store(store: Store, moved: bool) -> None:
    """Whoever stores in several studies at once has the first and takes the last: neither waits for the other."""
    store.add(small(5))
    settle(store)
    for study in (3, 2, 1):  # not in the order of the UIDs
        store.add(small(study))
    if moved:
        settle(store)
        put_patient(store, "p", "P1")
    lock = "SELECT FROM study WHERE study_uid = %s FOR UPDATE"
    with ThreadPoolExecutor(1) as other:
        with store.pool.connection() as connection, connection.transaction():
            connection.execute(lock, (uid(1),))
            settled = other.submit(settle, store)
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            wait_until(lambda: store.sql(waiting) == [(1,)], "the bridge to wait for the first study")
            connection.execute(f"{lock} NOWAIT", (uid(3),))
        settled.result(60)
    assert {uid(1), uid(2), uid(3)} <= subjects(store).keys()


def test_a_patient_is_made_when_there_is_none(store: Store) -> None:
    """An unknown PatientID makes one Patient with its demographics, and the study is in that Patient's compartment."""
    store.add(small(1), small(2))
    settle(store)
    (patient,) = resources(store, "Patient")
    assert patient["id"] == made_id(("P1", ""))
    assert patient["identifier"] == [{"system": "urn:healix:dicom:patient-id", "value": "P1"}]
    assert patient["name"] == [{"family": "Doe", "given": ["Jane"]}]
    assert (patient["gender"], patient["birthDate"]) == ("female", "1970-02-03")
    assert subjects(store) == {uid(1): patient["id"], uid(2): patient["id"]}
    (count,) = store.sql("SELECT count(*) FROM resource r JOIN study s USING (pat) WHERE r.type = %s",
                         TYPE_ID["ImagingStudy"])  # fmt: skip
    assert count == (4,)


def test_a_patient_is_matched_by_identifier(store: Store) -> None:
    """The one Patient whose identifier is the PatientID gets the study, and none is made."""
    put_patient(store, "real", "P1")
    store.add(small())
    settle(store)
    assert subjects(store) == {uid(1): "real"}
    assert [patient["id"] for patient in resources(store, "Patient")] == ["real"]


def test_the_issuer_decides_between_patients(store: Store) -> None:
    """Where the object names an issuer, only an identifier of that issuer matches."""
    put_patient(store, "here", "P1", system="urn:oid:1.2.3")
    put_patient(store, "there", "P1", system="urn:oid:1.2.4")
    store.add(small(1, IssuerOfPatientID="1.2.4"), small(2, IssuerOfPatientID="1.2.5"))
    settle(store)
    assert subjects(store) == {uid(1): "there", uid(2): made_id(("P1", "1.2.5"))}


def test_an_ambiguous_identifier_matches_nobody(store: Store) -> None:
    """When several Patients have the PatientID, the study goes to neither."""
    put_patient(store, "one", "P1")
    put_patient(store, "two", "P1")
    store.add(small())
    settle(store)
    assert subjects(store) == {uid(1): made_id(("P1", ""))}


def test_a_patient_who_arrives_later_gets_the_studies(store: Store) -> None:
    """The made Patient is replaced by the first real one with the identifier, with all its studies."""
    store.add(small(1), small(2))
    settle(store)
    put_patient(store, "real", "P1")
    settle(store)
    assert subjects(store) == {uid(1): "real", uid(2): "real"}
    made = next(one for one in resources(store, "Patient") if one["id"] == made_id(("P1", "")))
    assert made["active"] is False
    assert made["link"] == [{"other": {"reference": "Patient/real"}, "type": "replaced-by"}]
    store.add(small(3))
    assert store.sql("SELECT DISTINCT k.id FROM study JOIN patient_key k USING (pat)") == [("real",)]


def test_a_patient_who_is_expunged_loses_the_studies(store: Store) -> None:
    """Also where nothing of the Patient is left when the bridge hears of it, the studies are nobody's known."""
    put_patient(store, "real", "P1")
    store.add(small())
    settle(store)
    store.run(commit(SYSTEM, [Change(Method.DELETE, "Patient", "real")]))
    store.run(expunge.of_deleted(Extent(("Patient",), "real"), 10))
    assert [one.entity for one in store.run(expunge.rows(Extent(("Patient",), "real"), 10))] == ["Patient/real"]
    settle(store)
    assert subjects(store) == {uid(1): made_id(("P1", ""))}


def test_a_matched_study_does_not_move(store: Store) -> None:
    """A second Patient who takes on the identifier later, or an edited identifier, does not move images."""
    put_patient(store, "real", "P1")
    store.add(small())
    settle(store)
    put_patient(store, "thief", "P1")
    put_patient(store, "real", "other")
    settle(store)
    assert subjects(store) == {uid(1): "real"}


def test_studies_without_patient_id_do_not_share_a_patient(store: Store) -> None:
    """Objects without PatientID are of nobody known: each study has a Patient of its own."""
    store.add(small(1, PatientID=""), small(2, PatientID=""))
    settle(store)
    assert len(set(subjects(store).values())) == 2


def test_repeated_events_make_no_new_version(store: Store) -> None:
    """The same event again changes nothing."""
    store.add(small())
    settle(store)
    before = store.sql("SELECT id, version FROM resource ORDER BY id")
    store.sql("INSERT INTO outbox (topic, payload) VALUES ('study', %s)", json.dumps({"study": uid(1)}).encode())
    settle(store)
    assert store.sql("SELECT id, version FROM resource ORDER BY id") == before


def test_what_others_added_stays(store: Store) -> None:
    """An element that someone put on the ImagingStudy or on a made Patient survives further images."""
    store.add(small())
    settle(store)
    (study,), (patient,) = resources(store, "ImagingStudy"), resources(store, "Patient")
    for resource in (study | {"note": [{"text": "seen"}]}, patient | {"gender": "other"}):
        resource.pop("meta", None)
        put = change(Method.PUT, resource, resource["resourceType"], resource["id"], BASES)
        store.run(commit(SYSTEM, [put]))
    store.add(small(1, 1, 2))
    settle(store)
    assert resources(store, "ImagingStudy")[0]["note"] == [{"text": "seen"}]
    assert resources(store, "ImagingStudy")[0]["numberOfInstances"] == 2
    assert resources(store, "Patient")[0]["gender"] == "other"


def test_a_growing_study_is_not_written_for_each_image(
    store: Store, no_pause: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events that follow quickly are put off, and the last of them is not lost."""
    monkeypatch.setattr(bridge, "PAUSE_PER_INSTANCE", no_pause * 10)
    monkeypatch.setattr(bridge, "LONGEST_PAUSE", timedelta(seconds=60))
    store.add(*[small(1, 1, number) for number in range(300)])
    consumers = {"study": (bridge.studies(BASES),), "resource": (bridge.patients,)}
    with store.pool.connection() as connection:
        for number in range(300, 305):
            drain(connection, consumers)
            store.add(small(1, 1, number))
    (row,) = store.sql("SELECT version FROM resource WHERE type = %s", TYPE_ID["ImagingStudy"])
    assert row[0] == 1
    monkeypatch.setattr(bridge, "PAUSE_PER_INSTANCE", timedelta(0))
    settle(store)
    assert resources(store, "ImagingStudy")[0]["numberOfInstances"] == 305


def test_a_study_written_before_the_clock_was_set_back_does_not_rest(store: Store, no_pause: timedelta) -> None:
    """What comes after its ImagingStudy was written half an hour ahead is told of now, and not when that time comes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bridge, "PAUSE_PER_INSTANCE", no_pause)
        store.add(small(1))
        settle(store)
        store.sql("UPDATE resource SET updated = updated + interval '30 min' WHERE type = %s", TYPE_ID["ImagingStudy"])
        store.add(small(1, 1, 2))
        settle(store)
    assert resources(store, "ImagingStudy")[0]["numberOfInstances"] == 2


def test_a_study_knows_its_resource(store: Store) -> None:
    """The study row has the key of its ImagingStudy, also of one that was there before or is made anew."""
    id_ = imaging_study_id(uid(1))
    early = {"resourceType": "ImagingStudy", "id": id_, "status": "registered", "subject": {"display": "x"}}
    store.run(commit(SYSTEM, [change(Method.PUT, early, "ImagingStudy", id_, BASES)]))
    store.add(small(1), small(2))
    settle(store)
    store.run(commit(SYSTEM, [Change(Method.DELETE, "ImagingStudy", id_)]))
    store.add(small(1, 1, 2))
    settle(store)
    found = store.sql("SELECT s.study_uid, r.id FROM study s JOIN resource r ON r.pk = s.imaging_study ORDER BY 1")
    assert found == [(uid(number), imaging_study_id(uid(number))) for number in (1, 2)]


def test_labels_stay_when_a_study_grows(store: Store) -> None:
    """Labels, tags and profiles that others have given an ImagingStudy are those of its further versions too."""
    store.add(small(1))
    settle(store)
    (resource,) = resources(store, "ImagingStudy")
    kept = {
        "profile": ["http://x.test/p"],
        "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}],
        "tag": [{"code": "teaching"}],
    }
    labelled = resource | {"meta": kept}
    store.run(commit(SYSTEM, [change(Method.PUT, labelled, "ImagingStudy", resource["id"], BASES)]))
    store.add(small(1, 1, 2))
    settle(store)
    (resource,) = resources(store, "ImagingStudy")
    assert resource["numberOfInstances"] == 2
    assert {name: resource["meta"].get(name) for name in kept} == kept
    assert len(store.sql("SELECT label FROM index_label")) == 1


@pytest.mark.parametrize("count", [1, 7])
def test_the_number_of_statements_is_fixed(store: Store, count: int) -> None:
    """Many studies at once cost as many statements as one."""
    store.add(*[small(number, PatientID=f"P{number}") for number in range(1, count + 1)])
    events = [Event("study", {"study": uid(number)}) for number in range(1, count + 1)]
    statements = 0

    def counted() -> Any:
        nonlocal statements
        work = bridge.studies(BASES)(events)
        rows: Any = None
        while True:
            try:
                statement = work.send(rows)
            except StopIteration:
                return
            statements += 1
            rows = yield statement

    store.run(counted())
    assert statements <= 16
    assert len(resources(store, "ImagingStudy")) == count
