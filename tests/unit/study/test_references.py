"""References in any place of an object name the study that a series went to."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomweb.study.relabel.references import Moved, renewed
from tests.support.dicom import uid

pytestmark = pytest.mark.spec("PS3.3 C.17.2")
OLD, NEW, THIRD = uid(1), uid(2), uid(3)
GONE, STAYING = uid(1, 2), uid(1, 1)
PART = Moved(frozenset({GONE}), OLD, NEW, THIRD, came=False)
WHOLE = Moved(frozenset({GONE, STAYING}), OLD, NEW, NEW, came=False, whole=True)


def item(**elements: Any) -> Dataset:
    """A data set of these elements."""
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def hierarchy(study: str, *series: str, **more: Any) -> Dataset:
    """A study with its series."""
    members = [
        item(SeriesInstanceUID=one, ReferencedSOPSequence=[item(ReferencedSOPInstanceUID="1.9")]) for one in series
    ]
    return item(StudyInstanceUID=study, ReferencedSeriesSequence=members, **more)


def radiotherapy(study: str, *series: str) -> Dataset:
    """A study with its series as structure sets name them."""
    members = [item(SeriesInstanceUID=one, ContourImageSequence=[]) for one in series]
    return item(ReferencedSOPInstanceUID=study, RTReferencedSeriesSequence=members)


def named(items: list[Dataset], study: str = "StudyInstanceUID", of: str = "ReferencedSeriesSequence") -> list[Any]:
    """Study and series of each item."""
    return [(getattr(one, study), [member.SeriesInstanceUID for member in getattr(one, of)]) for one in items]


@pytest.mark.parametrize(
    "keyword",
    [
        "CurrentRequestedProcedureEvidenceSequence",
        "PertinentOtherEvidenceSequence",
        "PredecessorDocumentsSequence",
        "IdenticalDocumentsSequence",
        "BlendingSequence",
    ],
)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_study_with_its_series(keyword: str, depth: int) -> None:
    """What went names the new study, what stayed the old one, at any depth; all else of the item is as it was."""
    ds = item(**{keyword: [hierarchy(OLD, STAYING, GONE), hierarchy(THIRD, uid(3, 1))]})
    for _ in range(depth):
        ds = item(ContentSequence=[ds, item(TextValue="other")])
    found = renewed(ds, PART)
    (tag,) = found
    made = found[tag]
    for _ in range(depth - 1):
        made = made[0].ContentSequence
    if depth:
        assert made[1].TextValue == "other"
        made = made[0][keyword].value
    assert named(made) == [(OLD, [STAYING]), (NEW, [GONE]), (THIRD, [uid(3, 1)])]
    assert made[1].ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.9"


def test_what_is_beside_the_series_stays_with_both() -> None:
    """Of an item that has more than a study and its series both halves have the rest."""
    found = renewed(item(BlendingSequence=[hierarchy(OLD, STAYING, GONE, BlendingPosition="UNDERLYING")]), PART)
    (made,) = found.values()
    assert [(one.StudyInstanceUID, one.BlendingPosition) for one in made] == [(OLD, "UNDERLYING"), (NEW, "UNDERLYING")]


@pytest.mark.spec("PS3.3 C.8.8.5")
def test_structure_sets_name_the_study_as_an_instance() -> None:
    """In the frame of reference, with the series in it."""
    ds = item(ReferencedFrameOfReferenceSequence=[item(RTReferencedStudySequence=[radiotherapy(OLD, STAYING, GONE)])])
    (made,) = renewed(ds, PART).values()
    studies = made[0].RTReferencedStudySequence
    assert named(studies, "ReferencedSOPInstanceUID", "RTReferencedSeriesSequence") == [(OLD, [STAYING]), (NEW, [GONE])]


def test_a_series_with_its_study_beside_it() -> None:
    """Related Series, and others of that form."""
    ds = item(RelatedSeriesSequence=[item(StudyInstanceUID=OLD, SeriesInstanceUID=one) for one in (GONE, STAYING)])
    (made,) = renewed(ds, PART).values()
    assert [(one.StudyInstanceUID, one.SeriesInstanceUID) for one in made] == [(NEW, GONE), (OLD, STAYING)]


@pytest.mark.spec("PS3.3 C.7.2.1")
@pytest.mark.parametrize(("moved", "wanted"), [(PART, OLD), (WHOLE, NEW)])
def test_a_study_alone(moved: Moved, wanted: str) -> None:
    """It is followed where all of it goes, and is still there where some of it stays."""
    ds = item(ReferencedStudySequence=[item(ReferencedSOPClassUID="1.2", ReferencedSOPInstanceUID=OLD)])
    made = renewed(ds, moved).get(0x00081110, ds.ReferencedStudySequence)
    assert [one.ReferencedSOPInstanceUID for one in made] == [wanted]


@pytest.mark.parametrize(
    "ds",
    [
        item(
            RequestAttributesSequence=[
                item(StudyInstanceUID=OLD, ReferencedStudySequence=[item(ReferencedSOPInstanceUID=OLD)])
            ]
        ),
        item(ReferencedRequestSequence=[item(StudyInstanceUID=OLD)]),
        item(OriginalAttributesSequence=[item(ModifiedAttributesSequence=[hierarchy(OLD, GONE)])]),
        item(PredecessorDocumentsSequence=[hierarchy(THIRD, GONE)]),
        item(PertinentOtherEvidenceSequence=[hierarchy(OLD, uid(1, 7))]),
        item(PatientID=GONE, SourceImageSequence=[item(ReferencedSOPInstanceUID=uid(1, 2, 1))]),
    ],
)
def test_what_says_something_else_stays(ds: Dataset) -> None:
    """What was ordered, what was before, and references to other studies and series."""
    before = ds.to_json()
    assert renewed(ds, WHOLE) == {}
    assert ds.to_json() == before


def test_what_was_there_is_kept() -> None:
    """What names the new study is a copy: what was there goes into the Original Attributes Sequence as it was."""
    ds = item(ContentSequence=[item(PertinentOtherEvidenceSequence=[hierarchy(OLD, GONE)])])
    before = ds.to_json()
    (made,) = renewed(ds, PART).values()
    assert made[0].PertinentOtherEvidenceSequence[0].StudyInstanceUID == NEW
    assert ds.to_json() == before
