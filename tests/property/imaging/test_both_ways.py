"""A study that is found over FHIR is found over DICOM, and the other way round: one set for each question and caller.

Questions that both sides can ask are paired: a search of ImagingStudy, and one of QIDO-RS at the level of studies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from dicomweb.index.attributes import Level
from dicomweb.study.query import Query, query
from healix_fhir.care import relationships
from healix_fhir.imaging import bridge
from healix_fhir.imaging.imaging_study import imaging_study_id
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import open_pool
from smart_auth.access import AccessContext
from tests.support.dicom import data_set, part10, uid
from tests.support.examples import examples
from tests.support.search import BASE, Clinic
from tests.support.study import Store, open_store

PATIENTS = ("one", "two", "three")
STUDIES = 24
MODALITIES = ("CT", "MR", "US", "SR")
CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "SR": "1.2.840.10008.5.1.4.1.1.88.11",
}
IDS = ("P-one", "P-two", "P-three", "P-both", "P-none")
ACCESSION = "http://terminology.hl7.org/CodeSystem/v2-0203|ACSN"
PLACES = (
    ("CHEST", None, None),
    ("LLQ", "L", None),
    ("LLQ", "R", None),
    ("CHEST", None, "69536005"),
    ("SOMEWHERE", None, None),
    (None, None, "816094009"),
    (None, None, None),
)
"""Body Part Examined, Laterality and the code of the anatomic region."""
SITES = ("816094009", "68505006", "69536005", "64033007")
SCT = "http://snomed.info/sct"
LONGEST = 100
Question = tuple[tuple[str, str], tuple[str, str] | None]
"""A search parameter of ImagingStudy, and the key that asks the same of QIDO-RS; None: all studies."""


def studies(random: Random) -> Iterator[bytes]:
    """Objects of studies that share some of their values."""
    for study in range(1, STUDIES + 1):
        shared = {
            "PatientID": random.choice(IDS),
            "AccessionNumber": f"A{random.randrange(8)}",
            "StudyDate": f"202601{random.randrange(1, 6):02}",
        }
        for series in range(1, random.randrange(2, 5)):
            modality = random.choice(MODALITIES)
            for number in range(1, random.randrange(2, 4)):
                ds = data_set(study, series, number, Modality=modality, SOPClassUID=CLASSES[modality], **shared)
                yield part10(located(ds, study + series))


def located(ds: Dataset, number: int) -> Dataset:
    """The object with one of the ways to say what it shows, or with none."""
    part, side, code = PLACES[number % len(PLACES)]
    ds.BodyPartExamined, ds.Laterality = part, side
    if code:
        ds.AnatomicRegionSequence = [Dataset()]
        ds.AnatomicRegionSequence[0].CodeValue, ds.AnatomicRegionSequence[0].CodingSchemeDesignator = code, "SCT"
    return ds


@pytest.fixture(scope="module")
def world(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Clinic]]:
    """A store of studies of known, ambiguous and unknown patients, some of whom a practitioner cares for."""
    with open_pool(module_database_url, size=2) as pool:
        clinic, store = Clinic(pool), open_store(pool, Path(tmp_path_factory.mktemp("both")) / "images")
        for name in PATIENTS:
            clinic.put(patient(name, f"P-{name}", cared=name != "three"))
        for name in ("four", "five"):
            clinic.put(patient(name, "P-both", cared=True))
        store.add(*studies(Random(7)))
        consumers = {
            "study": (bridge.studies((BASE,)),),
            "resource": (relationships.consumer((BASE,)), bridge.patients),
        }
        for _ in range(10):
            store.sql("UPDATE outbox SET due = now() - interval '1 s'")
            with pool.connection() as connection:
                if not drain(connection, consumers):
                    break
        yield store, clinic


def patient(name: str, *ids: str, cared: bool) -> dict[str, object]:
    """A Patient with identifiers, in the care of the practitioner d or of nobody."""
    resource: dict[str, object] = {
        "resourceType": "Patient",
        "id": name,
        "identifier": [{"system": "http://h/ids", "value": value} for value in ids],
    }
    return resource | ({"generalPractitioner": [{"reference": "Practitioner/d"}]} if cared else {})


CALLERS = {
    "system": ("system/*.rs", {}),
    "clinician": ("user/*.rs", {"practitioner": "d"}),
    "patient": ("patient/*.rs", {"patient": "one"}),
    "patient without studies": ("patient/*.rs", {"patient": "four"}),
}


def fhir_day(day: int) -> str:
    """A day as FHIR writes it."""
    return f"2026-01-{day:02}"


days = st.integers(1, 6)
numbers = st.tuples(st.integers(1, STUDIES + 1), st.integers(1, 4), st.integers(1, 3))
question = st.one_of(
    st.just((("endpoint", "Endpoint/wado-rs"), None)),
    st.sampled_from(IDS).map(lambda value: (("patient.identifier", value), ("PatientID", value))),
    st.integers(1, STUDIES + 1).map(
        lambda n: (("identifier", f"urn:dicom:uid|urn:oid:{uid(n)}"), ("StudyInstanceUID", uid(n)))
    ),
    st.integers(0, 8).map(lambda n: (("identifier:of-type", f"{ACCESSION}|A{n}"), ("AccessionNumber", f"A{n}"))),
    st.integers(0, 8).map(lambda n: (("identifier", f"A{n}"), ("AccessionNumber", f"A{n}"))),
    st.sampled_from(MODALITIES).map(lambda value: (("modality", value), ("ModalitiesInStudy", value))),
    st.sampled_from(SITES).map(
        lambda code: (("bodysite", f"{SCT}|{code}"), ("AnatomicRegionsInStudyCodeSequence.CodeValue", code))
    ),
    days.map(lambda day: (("started", fhir_day(day)), ("StudyDate", f"202601{day:02}"))),
    days.map(lambda day: (("started", f"ge{fhir_day(day)}"), ("StudyDate", f"202601{day:02}-"))),
    days.map(lambda day: (("started", f"le{fhir_day(day)}"), ("StudyDate", f"-202601{day:02}"))),
    numbers.map(lambda n: (("series", uid(*n[:2])), ("SeriesInstanceUID", uid(*n[:2])))),
    numbers.map(lambda n: (("instance", uid(*n)), ("SOPInstanceUID", uid(*n)))),
    st.sampled_from(sorted(CLASSES.values())).map(
        lambda value: (("dicom-class", f"urn:oid:{value}"), ("SOPClassesInStudy", value))
    ),
)


def access(clinic: Clinic, caller: str) -> AccessContext:
    """What a caller may see."""
    scope, whose = CALLERS[caller]
    return clinic.looked(clinic.access(scope, **whose))


def over_dicom(store: Store, who: AccessContext, *keys: tuple[str, str]) -> list[dict[str, object]]:
    """The studies that QIDO-RS finds."""
    return [json.loads(one) for one in store.run(query(who, Query(Level.STUDY, keys, limit=LONGEST))).objects]


def uids(found: list[dict[str, object]]) -> set[str]:
    """The ids of the ImagingStudies of what was found over DICOM."""
    return {imaging_study_id(one["0020000D"]["Value"][0]) for one in found}  # type: ignore[index]


@pytest.mark.spec("FHIR R4 imagingstudy.html#search")
@pytest.mark.spec("PS3.18 10.6")
@settings(max_examples=examples(60), deadline=None)
@given(caller=st.sampled_from(sorted(CALLERS)), asked=st.lists(question, min_size=1, max_size=2))
def test_the_same_studies_are_found_over_fhir_and_over_dicom(
    world: tuple[Store, Clinic], caller: str, asked: list[Question]
) -> None:
    """Each question alone and two together, for the system, a clinician and patients."""
    store, clinic = world
    if len({key for _, pair in asked if pair is not None for key in pair[:1]}) < sum(p is not None for _, p in asked):
        asked = asked[:1]  # QIDO-RS takes each key once
    who = access(clinic, caller)
    over_fhir = set(clinic.find("ImagingStudy", [parameter for parameter, _ in asked], who))
    keys = [pair for _, pair in asked if pair is not None]
    event(f"{caller}: {'some' if over_fhir else 'none'}")
    assert over_fhir == uids(over_dicom(store, who, *keys))


@settings(max_examples=examples(15), deadline=None)
@given(caller=st.sampled_from(("system", "clinician", "patient")), modality=st.sampled_from(MODALITIES))
def test_patients_who_have_studies_are_found_by_them(world: tuple[Store, Clinic], caller: str, modality: str) -> None:
    """`_has` finds the patients whose PatientIDs QIDO-RS returns."""
    store, clinic = world
    who = access(clinic, caller)
    found = clinic.find("Patient", [("_has:ImagingStudy:patient:modality", modality)], who)
    bodies = clinic.run(
        "SELECT i ->> 'value' FROM resource r,"
        " json_array_elements(convert_from(r.body, 'UTF8')::json -> 'identifier') i WHERE r.id = ANY(%s)",
        (found,),
    )
    over = over_dicom(store, who, ("ModalitiesInStudy", modality))
    assert {value for (value,) in bodies} == {one["00100020"]["Value"][0] for one in over}  # type: ignore[index]


def test_the_world_has_something_for_everyone(world: tuple[Store, Clinic]) -> None:
    """All see different numbers of studies, and the system all of them."""
    store, clinic = world
    seen = {caller: len(over_dicom(store, access(clinic, caller))) for caller in CALLERS}
    assert seen["system"] == STUDIES
    assert seen["system"] > seen["clinician"] > seen["patient"] > seen["patient without studies"] == 0
