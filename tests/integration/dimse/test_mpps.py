"""Modality Performed Procedure Step as another maker's SCU speaks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pynetdicom import AE
from pynetdicom.association import Association

from dicomweb.dimse import peers
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.peers import Right
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.settings import Settings
from tests.support.dimse_service import serving_dimse
from tests.support.procedure import begun, ended, series
from tests.support.workitems import Members, code, members

Pool = ConnectionPool[Connection[Row]]
LIMITS = Limits(drain=2)
MPPS, RETRIEVE = (pydicom.uid.UID(f"1.2.840.10008.3.1.2.3.{number}") for number in (3, 4))
UID = "1.2.826.0.1.3680043.10.1714.92.1"


@dataclass
class Station:
    """A running service and the pool behind it."""

    port: int
    pool: Pool

    @contextmanager
    def associated(self, calling: str = "MODALITY") -> Iterator[Association]:
        """An association of pynetdicom."""
        entity = AE(ae_title=calling)
        entity.add_requested_context(MPPS)
        entity.add_requested_context(RETRIEVE)
        association = entity.associate("127.0.0.1", self.port, ae_title="HEALIX")
        assert association.is_established
        try:
            yield association
        finally:
            association.release()

    def create(self, given: Members, uid: str | None = UID, calling: str = "MODALITY") -> Dataset:
        """N-CREATE; the elements of the response's command."""
        with self.associated(calling) as association:
            status, _ = association.send_n_create(Dataset.from_json(given), MPPS, uid)
            return status

    def set(self, given: Members, uid: str = UID, calling: str = "MODALITY") -> Dataset:
        """N-SET; the elements of the response's command."""
        with self.associated(calling) as association:
            status, _ = association.send_n_set(Dataset.from_json(given), MPPS, uid)
            return status

    def get(self, tags: list[int], uid: str = UID, calling: str = "MODALITY") -> tuple[int, Dataset | None]:
        """N-GET; status and attributes."""
        with self.associated(calling) as association:
            status, found = association.send_n_get([Tag(tag) for tag in tags], RETRIEVE, uid)
            return status.Status, found

    def trail(self) -> list[Row]:
        """What the audit trail says of performed steps."""
        with self.pool.connection() as connection:
            return connection.execute(
                "SELECT action, subtype, outcome, client, entity FROM audit_event"
                " WHERE subtype LIKE 'performed-step-%' ORDER BY seq"
            ).fetchall()


@pytest.fixture
def station(pool: Pool, tmp_path: Path) -> Iterator[Station]:
    """The service on a port of its own, with the peer MODALITY."""
    settings = replace(Settings(), data_dir=tmp_path / "data")
    with serving_dimse(settings, pool, LIMITS) as port:
        yield Station(port, pool)


@pytest.mark.spec("DICOM PS3.4 F.7.2.2")
def test_a_step_is_created_changed_ended_and_looked_at(station: Station) -> None:
    """Success each, and an audit row as the peer."""
    assert station.create(begun(SpecificCharacterSet="ISO_IR 192")).Status == 0
    assert station.set(members(PerformedSeriesSequence=[series()])).Status == 0
    status, found = station.get([0x00400252, 0x00400340])
    assert status == 0
    assert found is not None
    assert found.PerformedProcedureStepStatus == "IN PROGRESS"
    assert str(found.PerformedSeriesSequence[0].OperatorsName) == "Curie^Irène"
    assert [element.keyword for element in found] == [
        "SpecificCharacterSet", "PerformedProcedureStepStatus", "PerformedSeriesSequence",
    ]  # fmt: skip
    assert station.set(ended()).Status == 0
    status, found = station.get([])
    assert found is not None
    assert (found.PerformedProcedureStepStatus, found.PatientID) == ("COMPLETED", "mrn-1")
    words = ["create", "change", "retrieve", "change", "retrieve"]
    assert station.trail() == [
        (action, f"performed-step-{word}", 0, "MODALITY", UID) for action, word in zip("CURUR", words, strict=True)
    ]


@pytest.mark.spec("DICOM PS3.4 F.7.2.2.4")
def test_after_the_end_a_step_is_not_changed(station: Station) -> None:
    """0110H with its comment and Error ID A710H."""
    station.create(begun())
    station.set(ended("DISCONTINUED"))
    answer = station.set(ended())
    assert (answer.Status, answer.ErrorID) == (0x0110, 0xA710)
    assert answer.ErrorComment == "Performed Procedure Step Object may no longer be updated"
    assert station.trail()[-1] == ("U", "performed-step-change", 4, "MODALITY", UID)


@pytest.mark.spec("DICOM PS3.7 C.5")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"PerformedProcedureStepStatus": "COMPLETED"}, 0x0106),
        ({"PerformedProcedureStepID": None}, 0x0121),
        ({"PerformedProcedureStepStatus": "PAUSED"}, 0x0106),
        ({"ScheduledStepAttributesSequence": None}, 0x0121),
    ],
)
def test_what_is_wrong_with_a_new_step_is_told(station: Station, changes: dict[str, Any], expected: int) -> None:
    """And nothing is kept of it."""
    answer = station.create(begun(**changes))
    assert answer.Status == expected
    assert next(iter(changes)) in answer.ErrorComment
    assert station.get([])[0] == 0x0112


@pytest.mark.spec("DICOM PS3.7 C.5")
@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00400244, "DA", "20261301"),
        (0x00080060, "CS", "ct"),
        (0x00400241, "AE", "A" * 17),
        (0x00200010, "SH", "1" * 17),
    ],
)
def test_what_dicom_does_not_allow_is_refused(station: Station, tag: int, vr: str, value: str) -> None:
    """0106H, with the attribute's name."""
    given = Dataset.from_json(begun())
    given[tag] = DataElement(tag, vr, value, validation_mode=pydicom.config.IGNORE)
    with station.associated() as association:
        status, _ = association.send_n_create(given, MPPS, UID)
    assert (status.Status, keyword_for_tag(tag) in status.ErrorComment) == (0x0106, True)


@pytest.mark.spec("DICOM PS3.7 C.5.17")
def test_what_is_missing_is_named_by_its_tag(station: Station) -> None:
    """In the Attribute Identifier List, beside 0120H."""
    station.create(begun())
    lacking = series()
    del lacking["00081070"]
    answer = station.set(members(PerformedSeriesSequence=[lacking]))
    assert (answer.Status, answer.AttributeIdentifierList) == (0x0120, 0x00081070)


@pytest.mark.spec("DICOM PS3.4 F.8.2.1")
def test_attributes_without_a_value_come_back_empty(station: Station) -> None:
    """Those of the SOP class do; of others 0001H tells that they are not supported, beside what is there."""
    station.create(begun())
    status, found = station.get([0x00400280])
    assert (status, found) == (0, Dataset.from_json(members(CommentsOnThePerformedProcedureStep="")))
    status, found = station.get([0x00400252, 0x00180050])
    assert status == 0x0001
    assert found is not None
    assert [element.keyword for element in found] == ["PerformedProcedureStepStatus"]


@pytest.mark.spec("DICOM PS3.7 C.5")
def test_a_step_is_created_once(station: Station) -> None:
    """0111H; missing attributes 0120H; without a UID it gets one."""
    assert station.create(begun()).Status == 0
    assert station.create(begun()).Status == 0x0111
    lacking = begun()
    del lacking["00100010"]
    assert station.create(lacking, f"{UID}.2").Status == 0x0120
    assert station.create(begun(), None).Status == 0
    with station.pool.connection() as connection:
        (first,), (second,) = connection.execute("SELECT uid FROM performed_step ORDER BY pk").fetchall()
    assert first == UID
    assert second.startswith("2.25.")


def test_a_step_is_under_the_control_of_its_maker(station: Station) -> None:
    """Others are not authorized to change it, and may look at it."""
    transaction(station.pool, lambda: peers.add("OTHER", "127.0.0.1", 104))
    station.create(begun())
    assert station.set(ended(), calling="OTHER").Status == 0x0124
    assert station.set(ended(), f"{UID}.9").Status == 0x0112
    assert station.get([], calling="OTHER")[0] == 0


@pytest.mark.parametrize(
    ("rights", "accepted"), [({Right.MPPS}, True), (set(Right) - {Right.MPPS}, False), ({Right.WORKLIST}, False)]
)
def test_who_lacks_the_right_gets_no_context(station: Station, rights: set[Right], accepted: bool) -> None:
    """Neither of the class that creates nor of the one that retrieves."""
    transaction(station.pool, lambda: peers.add("CARELESS", "127.0.0.1", 104, rights))
    entity = AE(ae_title="CARELESS")
    for uid in (MPPS, RETRIEVE, "1.2.840.10008.1.1"):
        entity.add_requested_context(uid)
    association = entity.associate("127.0.0.1", station.port, ae_title="HEALIX")
    contexts = {context.abstract_syntax for context in association.accepted_contexts}
    if association.is_established:
        association.release()
    assert ({MPPS, RETRIEVE} & contexts) == ({MPPS, RETRIEVE} if accepted else set())


def test_operations_of_another_class_are_refused(station: Station) -> None:
    """N-GET is of the retrieve class alone: 0118H."""
    station.create(begun())
    with station.associated() as association:
        status, _ = association.send_n_get([], MPPS, UID, meta_uid=MPPS)
    assert status.Status == 0x0118


def test_codes_of_reasons_come_back(station: Station) -> None:
    """As they were sent."""
    station.create(begun())
    reason = [code("110514", "DCM", "Incorrect worklist entry selected")]
    assert (
        station.set(ended("DISCONTINUED", PerformedProcedureStepDiscontinuationReasonCodeSequence=reason)).Status == 0
    )
    _, found = station.get([0x00400281])
    assert found is not None
    assert found.PerformedProcedureStepDiscontinuationReasonCodeSequence[0].CodeValue == "110514"


def test_a_step_may_name_many_thousand_images(station: Station) -> None:
    """As long examinations do; what is beyond all measure is refused, and the association goes on."""
    station.create(begun())
    images = [members(ReferencedSOPClassUID="1.2.3", ReferencedSOPInstanceUID=f"{UID}.{n}") for n in range(7_000)]
    given = members(PerformedSeriesSequence=[series(ReferencedImageSequence=images)])
    with station.associated() as association:
        assert association.send_n_set(Dataset.from_json(given), MPPS, UID)[0].Status == 0
        endless = Dataset.from_json(members(CommentsOnThePerformedProcedureStep="x"))
        endless.add_new(0x00090010, "LO", "TEST")
        endless.add_new(0x00091001, "OB", b"\0" * (17 << 20))
        assert association.send_n_set(endless, MPPS, UID)[0].Status == 0x0213
        assert association.send_n_set(Dataset.from_json(members(StudyID="1")), MPPS, UID)[0].Status == 0
