"""Steps that an operator puts on the worklist."""

from __future__ import annotations

import pytest

from dicomweb.procedure.scheduled.operate import Listed, add, every, remove
from dicomweb.procedure.scheduled.search import query, search
from healix_fhir.kernel.errors import HealixError
from tests.support.procedure import request
from tests.support.study import SYSTEM, Store

PATIENT = {"PatientID": "P1", "PatientName": "Doe^Jane"}
STEP = {
    "Modality": "US",
    "ScheduledProcedureStepStartDate": "20260301",
    "ScheduledProcedureStepStartTime": "083000",
    "ScheduledStationAETitle": ["US1"],
}


def listed(store: Store, **changes: str) -> Listed:
    """Put a step there."""
    return store.run(add(PATIENT | changes, STEP, None))


def test_a_step_by_hand_is_on_the_worklist_until_it_is_removed(store: Store) -> None:
    """With identifiers of its own, or given ones."""
    first, second = listed(store), listed(store, AccessionNumber="A9", StudyInstanceUID="1.2.3")
    assert (second.accession, second.study, first.accession[:2], first.study[:5]) == ("A9", "1.2.3", "HX", "2.25.")
    assert store.run(every()) == [first, second]
    asked = query(request({"Modality": "US", "ScheduledStationAETitle": "US1"}, PatientID="P1"), "US1")
    assert len(store.run(search(SYSTEM, asked)).answers) == 2
    store.run(remove(first.step))
    assert store.run(every()) == [second]
    with pytest.raises(HealixError, match="no such step"):
        store.run(remove(first.step))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"PatientID": ""}, "PatientID"),
        ({"PatientName": ""}, "PatientName"),
        ({"AccessionNumber": "1" * 17}, "AccessionNumber"),
        ({"PatientBirthDate": "19701301"}, "PatientBirthDate"),
        ({"StudyInstanceUID": "1.02"}, "StudyInstanceUID"),
    ],
)
def test_what_dicom_cannot_hold_is_refused(store: Store, changes: dict[str, str], name: str) -> None:
    """By the name of the attribute."""
    with pytest.raises(HealixError, match=name):
        listed(store, **changes)
    assert store.run(every()) == []
