"""Studies go with a merge of Patients, and come back when it is undone."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.imaging import bridge, unmerged
from healix_fhir.kernel.consume import drain
from healix_fhir.model.json import encode
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.merging.undo import TOPIC
from tests.integration.imaging.test_bridge import BASES, no_pause, put_patient, small, subjects
from tests.support.dicom import uid
from tests.support.fhir_server import SYSTEM, serve
from tests.support.operation import run
from tests.support.study import Store

__all__ = ["no_pause"]


def settle(store: Store) -> None:
    """Drain the outbox until nothing is left, also of undone merges."""
    consumers = {
        "study": (bridge.studies(BASES),),
        "resource": (bridge.patients,),
        TOPIC: (unmerged.consumer,),
    }
    for _ in range(20):
        store.sql("UPDATE outbox SET due = now() - interval '1 s'")
        with store.pool.connection() as connection:
            if not drain(connection, consumers):
                return
    pytest.fail("the outbox never becomes empty")


def call(url: str, name: str) -> None:
    """Merge the Patient a into b, or undo that."""
    parts: list[dict[str, Any]] = [
        {"name": f"{role}-patient", "valueReference": {"reference": f"Patient/{id_}"}}
        for role, id_ in (("source", "a"), ("target", "b"))
    ]
    asked = Invocation(body=encode({"resourceType": "Parameters", "parameter": parts}), type="Patient")
    serve(url, lambda server: run(name, server, SYSTEM, asked))


@pytest.mark.spec("FHIR R4 patient.html#links")
def test_there_and_back(store: Store, database_url: str) -> None:
    """Those of the merged Patient go and come back, those that came meanwhile too; the other's stay where they are."""
    put_patient(store, "a", "A")
    put_patient(store, "b", "B")
    store.add(small(1, PatientID="A"), small(2, PatientID="B"))
    settle(store)
    call(database_url, "merge")
    settle(store)
    assert subjects(store) == {uid(1): "b", uid(2): "b"}
    store.add(small(3, PatientID="A"))
    settle(store)
    assert subjects(store)[uid(3)] == "b"
    call(database_url, "undo-merge")
    settle(store)
    assert subjects(store) == {uid(1): "a", uid(2): "b", uid(3): "a"}
