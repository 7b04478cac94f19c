"""Resources as people read them."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.pages.present import NO_NAME, name, person, study

ADA = {"family": "Byron", "given": ["Ada", "Augusta"]}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], NO_NAME),
        ([{"use": "old"}], NO_NAME),
        ([ADA], "Ada Augusta Byron"),
        ([{"text": "Lady Lovelace", **ADA}], "Lady Lovelace"),
        ([{"family": "King", "use": "old"}, {"use": "official", "prefix": ["Dr."], **ADA}], "Dr. Ada Augusta Byron"),
        ([{"use": "nickname", "text": "A."}, {"use": "usual", "family": "King"}], "King"),
    ],
)
def test_name(names: list[dict[str, Any]], expected: str) -> None:
    """The official name is shown, as written where it is written out."""
    assert name(names) == expected


def test_person() -> None:
    """A patient's line has the number that is in use, and stays quiet about what is not recorded."""
    numbers = [{"value": "old-1", "use": "old"}, {"value": "MRN-1", "use": "usual"}]
    line = person({"id": "p", "name": [ADA], "birthDate": "1815-12-10", "identifier": numbers})
    assert (line.name, line.born, line.number) == ("Ada Augusta Byron", "1815-12-10", "MRN-1")
    bare = person({"id": "p"})
    assert (bare.name, bare.born, bare.number) == (NO_NAME, "", "")


def test_study() -> None:
    """A study's line carries its UID for the viewer; a resource without one cannot be opened."""
    resource = {
        "id": "s",
        "identifier": [{"system": "urn:x", "value": "1"}, {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}],
        "started": "2024-05-06T07:08:09+02:00",
        "modality": [{"code": "CT"}, {"code": "SEG"}],
        "numberOfSeries": 2,
        "numberOfInstances": 40,
        "subject": {"reference": "Patient/p"},
    }
    line = study(resource)
    assert line is not None
    assert (line.uid, line.when, line.modalities, line.patient) == ("1.2.3", "2024-05-06 07:08", "CT, SEG", "p")
    assert line.id == "s"
    assert (line.title, line.series, line.instances) == ("CT, SEG study", 2, 40)
    named = study({**resource, "description": "Head"})
    assert named is not None
    assert named.title == "Head"
    assert study({"identifier": [{"system": "urn:x", "value": "1"}]}) is None


def test_what_is_no_image_is_not_counted() -> None:
    """Reports and selections lie in a study beside its images; a study of nothing else is counted whole."""
    series = [{"uid": code, "modality": {"code": code}, "numberOfInstances": n} for code, n in (("CT", 24), ("SR", 3))]
    resource = {
        "id": "s", "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2"}],
        "modality": [{"code": "CT"}, {"code": "SR"}], "numberOfSeries": 2, "numberOfInstances": 27, "series": series,
    }  # fmt: skip
    line, alone = study(resource), study(resource | {"series": series[1:], "numberOfSeries": 1, "numberOfInstances": 3})
    assert line is not None
    assert (line.modalities, line.series, line.instances) == ("CT", 1, 24)
    assert alone is not None
    assert (alone.series, alone.instances) == (1, 3)
