"""Whom workitems belong to, whichever comes first, the item or the Patient."""

from __future__ import annotations

from typing import Any

import pytest

from dicomweb.dicomjson.reading import checked
from dicomweb.workitem.create import create
from healix_fhir.imaging import bridge, workitems
from healix_fhir.imaging.patients import made_id
from healix_fhir.imaging.workitems import find_patient
from healix_fhir.interaction.accept import change
from healix_fhir.kernel.consume import drain
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from tests.support.dicom import data_set, part10
from tests.support.study import SYSTEM, Store
from tests.support.workitems import workitem

BASES = ("http://localhost/fhir",)
UID = "1.2.826.0.1.3680043.10.1714.80"


def add(store: Store, number: int = 1, **attributes: Any) -> None:
    """Create a workitem, by default for PatientID P1."""
    given = checked(workitem(**({"PatientID": "P1"} | attributes)))
    store.run(create(SYSTEM, f"{UID}.{number}", given, find_patient))


def put_patient(store: Store, id_: str, value: str, system: str = "urn:x") -> None:
    """Store a Patient with an identifier."""
    resource = {"resourceType": "Patient", "id": id_, "identifier": [{"system": system, "value": value}]}
    store.run(commit(SYSTEM, [change(Method.PUT, resource, "Patient", id_, BASES)]))
    settle(store)


def settle(store: Store) -> None:
    """Do what the job worker does."""
    consumers = {"study": (bridge.studies(BASES),), "resource": (bridge.patients, workitems.patients)}
    for _ in range(20):
        store.sql("UPDATE outbox SET due = now() - interval '1 s'")
        with store.pool.connection() as connection:
            if not drain(connection, consumers):
                return
    pytest.fail("the outbox never becomes empty")


def owner(store: Store, number: int = 1) -> str | None:
    """The logical id of the patient of a workitem."""
    ((found,),) = store.sql(
        "SELECT k.id FROM workitem w LEFT JOIN patient_key k ON k.pat = w.pat WHERE w.uid = %s", f"{UID}.{number}"
    )
    return None if found is None else str(found)


def test_a_new_workitem_belongs_to_the_patient_whom_its_id_means(store: Store) -> None:
    """At once, also where the patient has no images."""
    put_patient(store, "real", "P1")
    add(store)
    assert owner(store) == "real"


def test_the_issuer_decides_between_patients(store: Store) -> None:
    """As for studies."""
    put_patient(store, "one", "P1", "urn:oid:1.2.3")
    put_patient(store, "two", "P1", "urn:oid:1.2.4")
    add(store, 1)
    add(store, 2, IssuerOfPatientID="1.2.4")
    assert (owner(store, 1), owner(store, 2)) == (None, "two")


def test_a_patient_who_arrives_later_gets_the_workitems(store: Store) -> None:
    """Those with that PatientID only; nobody is made for them before."""
    add(store, 1)
    add(store, 2, PatientID="P2")
    add(store, 3, PatientID=None)
    settle(store)
    assert store.sql("SELECT count(*) FROM resource") == [(0,)]
    put_patient(store, "real", "P1")
    assert [owner(store, number) for number in (1, 2, 3)] == ["real", None, None]


def test_workitems_go_where_the_studies_of_their_patient_go(store: Store) -> None:
    """To the Patient that is made for images, and from there to the real one."""
    add(store, 1)
    store.add(part10(data_set(1, 1, 1)))
    settle(store)
    assert owner(store) == made_id(("P1", ""))
    add(store, 2)
    put_patient(store, "real", "P1")
    assert [owner(store, number) for number in (1, 2)] == ["real", "real"]


def test_the_workitems_of_a_deleted_patient_are_nobodys(store: Store) -> None:
    """Until another one has the PatientID."""
    put_patient(store, "real", "P1")
    add(store)
    store.run(commit(SYSTEM, [Change(Method.DELETE, "Patient", "real")]))
    settle(store)
    assert owner(store) is None
    put_patient(store, "next", "P1")
    assert owner(store) == "next"
