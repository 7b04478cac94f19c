"""DICOM values as FHIR data types, also hostile ones: what the bridge writes is always valid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healix_fhir.imaging.elements import date_time, display_name, human_names
from healix_fhir.imaging.imaging_study import imaging_study
from healix_fhir.imaging.patients import fits, identifier, made_id, made_patient
from healix_fhir.imaging.studies import Series, Study
from healix_fhir.model.validate import check
from tests.support.examples import examples


@pytest.mark.parametrize(
    ("day", "clock", "zone", "expected"),
    [
        ("20260102", "030405.123", "+0200", "2026-01-02T03:04:05+02:00"),
        ("20260102", "03", "-0530", "2026-01-02T03:00:00-05:30"),
        ("20260102", "030405", None, "2026-01-02"),
        ("20260102", None, "+0200", "2026-01-02"),
        ("20260102", "256161", "+0200", "2026-01-02"),
        ("20260102", "030405", "+9900", "2026-01-02"),
        ("20260230", "030405", "+0200", None),
        ("2026", None, None, None),
        (None, "030405", "+0200", None),
    ],
)
def test_date_and_time(day: str | None, clock: str | None, zone: str | None, expected: str | None) -> None:
    """A time of day only with an offset, nothing that is no date."""
    assert date_time(day, clock, zone) == expected


def test_names() -> None:
    """Components and scripts of a person name."""
    assert human_names("Yamada^Tarou^^Dr.^MD=山田^太郎") == [
        {"family": "Yamada", "given": ["Tarou"], "prefix": ["Dr."], "suffix": ["MD"]},
        {
            "extension": [
                {"url": "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation", "valueCode": "IDE"}
            ],
            "family": "山田",
            "given": ["太郎"],
        },
    ]
    assert display_name("House^Gregory^^Dr.") == "Dr. Gregory House"


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        ("", {"system": "urn:healix:dicom:patient-id", "value": "P"}),
        ("1.2.3", {"system": "urn:oid:1.2.3", "value": "P"}),
        ("https://h.example/mrn", {"system": "https://h.example/mrn", "value": "P"}),
        ("Clinic A", {"system": "urn:healix:dicom:patient-id", "value": "P", "assigner": {"display": "Clinic A"}}),
    ],
)
def test_a_made_identifier_fits_its_own_key(issuer: str, expected: dict[str, Any]) -> None:
    """What is made from PatientID and issuer is found again by them, and not by another issuer."""
    assert identifier(("P", issuer)) == expected
    assert fits({"identifier": [expected]}, ("P", issuer))
    assert not fits({"identifier": [expected]}, ("P", "another"))
    assert not fits({"identifier": [expected]}, ("Q", issuer))


def test_a_replaced_patient_fits_nothing() -> None:
    """A Patient that was replaced is no candidate."""
    link = [{"other": {"reference": "Patient/x"}, "type": "replaced-by"}]
    assert not fits({"identifier": [{"value": "P"}], "link": link}, ("P", ""))


def test_keys_do_not_run_into_each_other() -> None:
    """PatientID and issuer are told apart in the id made of them."""
    assert made_id(("a", "b")) != made_id(("b", "a"))
    assert made_id(("1", "")) != made_id(("", "1"))


ANY = st.none() | st.text(max_size=20)
NUMBERS = st.none() | st.integers(-(2**63), 2**63 - 1)
SERIES = st.builds(
    Series, st.just("1.2.3"), NUMBERS, ANY, ANY, ANY, ANY, ANY,
    st.lists(st.tuples(st.just("1.2.3.4"), st.just("1.2.840"), NUMBERS), min_size=1, max_size=3).map(tuple),
)  # fmt: skip
STUDIES = st.builds(
    Study, st.just("1.2"), st.text(max_size=9), st.text(max_size=9), ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY,
    st.none(), st.lists(SERIES, min_size=1, max_size=2),
)  # fmt: skip


@settings(deadline=None, max_examples=examples(150))
@given(STUDIES)
def test_whatever_the_attributes_hold_the_resources_are_valid(study: Study) -> None:
    """No value from a modality can make the bridge fail."""
    check(made_patient(study), "Patient")
    check(imaging_study(study, "p"), "ImagingStudy")
    check(imaging_study(study, "p", dicomweb="https://healix.test/dicomweb", shown=True), "ImagingStudy")
