"""Which directory record an instance has in a DICOMDIR, and the attributes that it copies.

Spec: PS3.3 F.4 and F.5 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping

STORAGE = "1.2.840.10008.5.1.4.1.1."
CONTENT = ("ContentDate", "ContentTime", "InstanceNumber")
IDENTIFIED = (*CONTENT, "ContentLabel", "ContentDescription", "ContentCreatorName")
NAMED = (*CONTENT, "ConceptNameCodeSequence")

PATIENT = ("PatientName", "PatientID")
STUDY = ("StudyDate", "StudyTime", "StudyDescription", "StudyInstanceUID", "StudyID", "AccessionNumber")
SERIES = ("Modality", "SeriesInstanceUID", "SeriesNumber")
"""Keys of the levels above. Spec: Tables F.5-1 to F.5-3"""

IMAGE, RAW = "IMAGE", "RAW DATA"
KEYS: Mapping[str, tuple[str, ...]] = {
    IMAGE: ("InstanceNumber", "NumberOfFrames", "Rows", "Columns"),
    "RT DOSE": ("InstanceNumber", "DoseSummationType"),
    "RT STRUCTURE SET": ("InstanceNumber", "StructureSetLabel", "StructureSetDate", "StructureSetTime"),
    "RT PLAN": ("InstanceNumber", "RTPlanLabel", "RTPlanDate", "RTPlanTime"),
    "RT TREAT RECORD": ("InstanceNumber", "TreatmentDate", "TreatmentTime"),
    "PRESENTATION": (
        "PresentationCreationDate", "PresentationCreationTime", "InstanceNumber", "ContentLabel", "ContentDescription",
        "ContentCreatorName", "ReferencedSeriesSequence",
    ),
    "WAVEFORM": CONTENT,
    "SR DOCUMENT": (*NAMED, "CompletionFlag", "VerificationFlag"),
    "KEY OBJECT DOC": NAMED,
    "SPECTROSCOPY": (
        *CONTENT, "ImageType", "ReferencedImageEvidenceSequence", "NumberOfFrames", "Rows", "Columns", "DataPointRows",
        "DataPointColumns",
    ),
    RAW: CONTENT,
    "REGISTRATION": IDENTIFIED,
    "FIDUCIAL": IDENTIFIED,
    "ENCAP DOC": (*NAMED, "DocumentTitle", "MIMETypeOfEncapsulatedDocument"),
    "VALUE MAP": IDENTIFIED,
    "STEREOMETRIC": CONTENT,
    "SURFACE": IDENTIFIED,
    "SURFACE SCAN": CONTENT,
    "MEASUREMENT": IDENTIFIED,
    "TRACT": IDENTIFIED,
    "ASSESSMENT": IDENTIFIED,
}  # fmt: skip
"""By record type, the keys of Tables F.5-4 and following."""

OF_CLASS: Mapping[str, str] = {
    **dict.fromkeys(("4.2",), "SPECTROSCOPY"),
    **dict.fromkeys(
        (
            f"9.{n}"
            for n in (
                "1.1",
                "1.2",
                "1.3",
                "1.4",
                "2.1",
                "3.1",
                "4.1",
                "4.2",
                "5.1",
                "6.1",
                "6.2",
                "7.1",
                "7.2",
                "7.3",
                "7.4",
                "8.1",
            )
        ),
        "WAVEFORM",
    ),
    **dict.fromkeys((f"11.{n}" for n in range(1, 13)), "PRESENTATION"),
    "66": RAW,
    "66.1": "REGISTRATION",
    "66.2": "FIDUCIAL",
    "66.3": "REGISTRATION",
    "66.5": "SURFACE",
    "66.6": "TRACT",
    "67": "VALUE MAP",
    "68.1": "SURFACE SCAN",
    "68.2": "SURFACE SCAN",
    "77.1.5.3": "STEREOMETRIC",
    **dict.fromkeys((f"78.{n}" for n in range(1, 9)), "MEASUREMENT"),
    **dict.fromkeys(
        (f"88.{n}" for n in (11, 22, 33, 34, 35, 40, 50, 65, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76)), "SR DOCUMENT"
    ),
    "88.59": "KEY OBJECT DOC",
    "90.1": "ASSESSMENT",
    **dict.fromkeys((f"104.{n}" for n in range(1, 6)), "ENCAP DOC"),
    "481.2": "RT DOSE",
    "481.3": "RT STRUCTURE SET",
    "481.5": "RT PLAN",
    "481.8": "RT PLAN",
    **dict.fromkeys((f"481.{n}" for n in (4, 6, 7, 9)), "RT TREAT RECORD"),
}
"""Record types by what follows `STORAGE` in the SOP class. Spec: Table F.4-1, PS3.4 B.5"""


def record_type(SOPClassUID: str, *, pixels: bool) -> str:  # noqa: N803 - a DICOM keyword
    """The type of an instance's record; what no type is made for is an image if it has pixels, else raw data."""
    found = OF_CLASS.get(SOPClassUID.removeprefix(STORAGE)) if SOPClassUID.startswith(STORAGE) else None
    return found or (IMAGE if pixels else RAW)
