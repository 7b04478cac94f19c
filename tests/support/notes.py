"""Rejection notes: key object selections that name instances."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import KeyObjectSelectionDocumentStorage

from tests.support.dicom import data_set, part10

Path = tuple[str, str, str]
"""UIDs of study, series and instance."""


def item(**elements: object) -> Dataset:
    """An item of a sequence."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def note(code: str, *named: Path, at: Path, scheme: str = "DCM", patient: str = "P1") -> bytes:
    """A key object selection with the title `code`, which lies at `at`."""
    evidence = []
    for study, series, instance in named:
        reference = item(ReferencedSOPClassUID=data_set().SOPClassUID, ReferencedSOPInstanceUID=instance)
        within = item(SeriesInstanceUID=series, ReferencedSOPSequence=Sequence([reference]))
        evidence.append(item(StudyInstanceUID=study, ReferencedSeriesSequence=Sequence([within])))
    title = item(CodeValue=code, CodingSchemeDesignator=scheme, CodeMeaning="x")
    made = data_set(
        StudyInstanceUID=at[0],
        SeriesInstanceUID=at[1],
        SOPInstanceUID=at[2],
        SOPClassUID=KeyObjectSelectionDocumentStorage,
        PatientID=patient,
        Modality="KO",
        ConceptNameCodeSequence=Sequence([title]),
        CurrentRequestedProcedureEvidenceSequence=Sequence(evidence),
    )
    return part10(made)
