"""What an ImagingStudy says beyond the index, the orders that it names, and its Endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicomweb.study import regions
from healix_fhir.imaging import bridge, imaging_study
from healix_fhir.imaging.orders import service_requests
from healix_fhir.imaging.patients import made_id
from healix_fhir.interaction.accept import change
from healix_fhir.kernel.consume import drain
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from tests.integration.imaging.test_bridge import BASES, no_pause, put_patient, resources, small, subjects
from tests.support.dicom import uid
from tests.support.search import Clinic
from tests.support.study import SYSTEM, Store

__all__ = ["no_pause"]


def coded(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def issued(keyword: str, value: str) -> Dataset:
    """An item with the universal id of an issuer."""
    item = Dataset()
    setattr(item, keyword, value)
    item.UniversalEntityIDType = "ISO"
    return item


def settle(store: Store) -> None:
    """Drain the outbox, also of what tells of orders."""
    consumers = {"study": (bridge.studies(BASES),), "resource": (bridge.patients, service_requests)}
    for _ in range(20):
        store.sql("UPDATE outbox SET due = now() - interval '1 s'")
        with store.pool.connection() as connection:
            if not drain(connection, consumers):
                return
    pytest.fail("the outbox never becomes empty")


def study(store: Store) -> dict[str, Any]:
    """The one ImagingStudy."""
    (found,) = resources(store, "ImagingStudy")
    return found


def order(store: Store, id_: str, number: str, patient: str) -> None:
    """Store a ServiceRequest with an accession number."""
    resource = {
        "resourceType": "ServiceRequest",
        "id": id_,
        "status": "active",
        "intent": "order",
        "identifier": [{"value": number}],
        "subject": {"reference": f"Patient/{patient}"},
    }
    store.run(commit(SYSTEM, [change(Method.PUT, resource, "ServiceRequest", id_, BASES)]))


@pytest.mark.spec("FHIR R4 imagingstudy-mappings.html#dicom")
def test_codes_people_and_titles(store: Store) -> None:
    """Procedure, reason, region, side, readers, performers, operators, titles, and when the series began."""
    store.add(
        small(
            Laterality="L",
            SeriesDate="20260103",
            SeriesTime="101112",
            TimezoneOffsetFromUTC="+0000",
            NameOfPhysiciansReadingStudy="Grey^Meredith",
            PerformingPhysicianName="House^Gregory",
            OperatorsName="Op^Erator",
            ProcedureCodeSequence=Sequence([coded("24627-2", "LN", "Chest CT")]),
            ReasonForPerformedProcedureCodeSequence=Sequence([coded("R05", "I10", "Cough")]),
            AnatomicRegionSequence=Sequence([coded("51185008", "SCT", "Chest")]),
            IssuerOfAccessionNumberSequence=Sequence([issued("UniversalEntityID", "1.2.3.4")]),
        ),
        small(
            1,
            2,
            1,
            Modality="SR",
            SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11",
            ConceptNameCodeSequence=Sequence([coded("18748-4", "LN", "Imaging Report")]),
        ),
    )
    settle(store)
    found = study(store)
    assert found["identifier"][1]["system"] == "urn:oid:1.2.3.4"
    assert found["interpreter"] == [{"display": "Meredith Grey"}]
    assert found["procedureCode"] == [
        {"coding": [{"system": "http://loinc.org", "code": "24627-2", "display": "Chest CT"}], "text": "Chest CT"}
    ]
    assert found["reasonCode"][0]["coding"][0]["code"] == "R05"
    first, second = found["series"]
    assert first["bodySite"] == {"system": "http://snomed.info/sct", "code": "51185008", "display": "Chest"}
    assert first["laterality"]["code"] == "419161000"
    assert first["started"] == "2026-01-03T10:11:12+00:00"
    assert [(one["function"]["coding"][0]["code"], one["actor"]["display"]) for one in first["performer"]] == [
        ("PRF", "Gregory House"),
        ("SPRF", "Erator Op"),
    ]
    assert "title" not in first["instance"][0]
    assert second["instance"][0]["title"] == "Imaging Report"


@pytest.mark.spec("FHIR R4 imagingstudy-definitions.html#ImagingStudy.series.bodySite", "PS3.16 Annex L")
def test_body_parts_are_coded(store: Store) -> None:
    """Where no region is coded the term says which it is, but for what is none, or is of the other side; studies are
    found by the code, as they are by that of a region that the frames of an enhanced image share.
    """
    shared, anatomy = Dataset(), Dataset()
    anatomy.AnatomicRegionSequence = Sequence([coded("76752008", "SCT", "Breast")])
    shared.FrameAnatomySequence = Sequence([anatomy])
    store.add(
        small(1, 1, BodyPartExamined="LSPINE"),
        small(1, 2, BodyPartExamined="ELSEWHERE"),
        small(1, 3, BodyPartExamined="LLQ", Laterality="R"),
        small(1, 4, BodyPartExamined="LLQ", Laterality="L"),
        small(1, 5, BodyPartExamined="LLQ", SharedFunctionalGroupsSequence=Sequence([shared])),
    )
    settle(store)
    lower = {"system": "http://snomed.info/sct", "code": "68505006", "display": "Left lower quadrant of abdomen"}
    sites = [one["bodySite"] for one in sorted(study(store)["series"], key=lambda one: str(one["uid"]))]
    assert sites == [
        {"system": "http://snomed.info/sct", "code": "122496007", "display": "Lumbar spine"},
        {"display": "ELSEWHERE"},
        {"display": "LLQ"},
        lower,
        {"system": "http://snomed.info/sct", "code": "76752008", "display": "Breast"},
    ]
    clinic = Clinic(store.pool)
    for wanted in ("http://snomed.info/sct|122496007", "76752008", "http://snomed.info/sct|68505006"):
        assert clinic.ids(f"ImagingStudy?bodysite={wanted}") == [study(store)["id"]], wanted
    assert clinic.ids("ImagingStudy?bodysite:text=elsewhere") == [study(store)["id"]]
    assert clinic.ids("ImagingStudy?bodysite=http://snomed.info/sct|69536005") == []


def test_body_parts_of_studies_that_are_there_are_coded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job that reads regions has their ImagingStudies written anew, once, and others not."""
    monkeypatch.setattr(imaging_study, "body_part", lambda *_: None)
    store.add(small(1, BodyPartExamined="KNEE"), small(2, BodyPartExamined="SOMEWHERE"))
    settle(store)
    monkeypatch.undo()
    for _ in range(2):
        store.sql("UPDATE series SET region_code = NULL, region_scheme = NULL, region_meaning = NULL")
        assert sum(regions.read(store.pool)) == 2
        settle(store)
        found = resources(store, "ImagingStudy")
        versions = {one["series"][0]["bodySite"].get("code"): one["meta"]["versionId"] for one in found}
        assert versions == {"72696002": "2", None: "1"}


@pytest.mark.spec("FHIR R4 imagingstudy-definitions.html#ImagingStudy.basedOn")
def test_a_study_names_the_order_that_carries_its_accession_number(store: Store) -> None:
    """Whichever comes first; of the same patient only; and no more once it carries another number."""
    put_patient(store, "p", "P1")
    order(store, "other", "A1", "q")
    store.add(small())
    settle(store)
    assert "basedOn" not in study(store)
    order(store, "o", "A1", "p")
    settle(store)
    (based,) = study(store)["basedOn"]
    assert (based["reference"], based["identifier"]["value"]) == ("ServiceRequest/o", "A1")
    order(store, "o", "B9", "p")
    store.add(small(1, 1, 2))
    settle(store)
    assert "basedOn" not in study(store)


@pytest.mark.spec("FHIR R4 endpoint.html")
def test_the_endpoint_is_a_resource_by_which_studies_are_found(store: Store) -> None:
    """It says what it is and where; it is made again when it was deleted, and not written again for nothing."""
    store.add(small())
    settle(store)
    (found,) = resources(store, "Endpoint")
    assert (found["id"], found["connectionType"]["code"]) == ("wado-rs", "dicom-wado-rs")
    assert found["address"] == "http://localhost/dicomweb"
    assert found["meta"]["versionId"] == "1"
    store.add(small(1, 1, 2))
    settle(store)
    assert resources(store, "Endpoint")[0]["meta"]["versionId"] == "1"
    clinic = Clinic(store.pool)
    assert clinic.ids("ImagingStudy?endpoint=Endpoint/wado-rs") == [study(store)["id"]]
    assert clinic.ids("Endpoint?connection-type=dicom-wado-rs") == ["wado-rs"]
    clinic.delete("Endpoint", "wado-rs")
    store.add(small(1, 1, 3))
    settle(store)
    assert len(resources(store, "Endpoint")) == 1


@pytest.mark.spec("PS3.3 C.7.1.1")
def test_a_patient_is_known_by_qualifiers_and_other_ids(store: Store) -> None:
    """An issuer that only the qualifiers name decides between two Patients; else one of the Other Patient IDs whose
    issuer is named may be it; a number alone is not.
    """
    put_patient(store, "here", "P1", system="urn:oid:1.2.3")
    put_patient(store, "there", "P1", system="urn:oid:1.2.4")
    put_patient(store, "elsewhere", "X9", system="urn:oid:1.2.5")
    other, bare = issued("UniversalEntityID", "1.2.5"), Dataset()
    named = Dataset()
    named.PatientID, named.IssuerOfPatientIDQualifiersSequence = "X9", Sequence([other])
    bare.PatientID = "X9"
    store.add(
        small(1, IssuerOfPatientIDQualifiersSequence=Sequence([issued("UniversalEntityID", "1.2.4")])),
        small(2, PatientID="U1", OtherPatientIDsSequence=Sequence([named])),
        small(3, PatientID="U2", OtherPatientIDsSequence=Sequence([bare])),
    )
    settle(store)
    assert subjects(store) == {uid(1): "there", uid(2): "elsewhere", uid(3): made_id(("U2", ""))}
