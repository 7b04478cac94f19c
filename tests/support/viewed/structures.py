"""A structure set of radiotherapy on the volume: a square contour around the bar in each of its slices.

Spec: PS3.3 A.19, C.8.8.5, C.8.8.6 (2024d)
"""

from __future__ import annotations

from itertools import pairwise

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import RTStructureSetStorage

from tests.support.viewed.objects import FRAME_OF_REFERENCE, begin, reference
from tests.support.viewed.volume import BAR_SLICES, COLUMNS, CORNER, ROWS, SPACING

SERIES = 3
LABEL = "Target"
COLOUR = (0, 255, 0)
STEPS = 1000
"""Points of a side: so many that metadata do not hold the contours, and the viewer has to ask for them."""
STUDY_COMPONENT = "1.2.840.10008.3.1.2.3.1"


def structures(volume: list[Dataset]) -> Dataset:
    """The object."""
    ds = begin(RTStructureSetStorage, "RTSTRUCT", SERIES, 1, LABEL)
    ds.StructureSetLabel, ds.StructureSetDate, ds.StructureSetTime = LABEL, "20260401", "090000"
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = FRAME_OF_REFERENCE, ""
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = volume[0].SeriesInstanceUID
    series.ContourImageSequence = Sequence([reference(image) for image in volume])
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = STUDY_COMPONENT, ds.StudyInstanceUID
    study.RTReferencedSeriesSequence = Sequence([series])
    frame.FrameOfReferenceUID = FRAME_OF_REFERENCE
    frame.RTReferencedStudySequence = Sequence([study])
    ds.ReferencedFrameOfReferenceSequence = Sequence([frame])
    roi, drawn, observed = Dataset(), Dataset(), Dataset()
    roi.ROINumber, roi.ROIName, roi.ROIGenerationAlgorithm = 1, LABEL, "MANUAL"
    roi.ReferencedFrameOfReferenceUID = FRAME_OF_REFERENCE
    drawn.ReferencedROINumber, drawn.ROIDisplayColor = 1, list(COLOUR)
    drawn.ContourSequence = Sequence([_contour(number, volume[index]) for number, index in enumerate(BAR_SLICES, 1)])
    observed.ObservationNumber = observed.ReferencedROINumber = 1
    observed.RTROIInterpretedType, observed.ROIInterpreter = "GTV", ""
    ds.StructureSetROISequence, ds.ROIContourSequence = Sequence([roi]), Sequence([drawn])
    ds.RTROIObservationsSequence = Sequence([observed])
    ds.ApprovalStatus = "UNAPPROVED"
    return ds


def _contour(number: int, image: Dataset) -> Dataset:
    left, right = (CORNER[0] + (edge - 0.5) * SPACING for edge in (COLUMNS.start, COLUMNS.stop))
    front, back = (CORNER[1] + (edge - 0.5) * SPACING for edge in (ROWS.start, ROWS.stop))
    z = float(image.ImagePositionPatient[2])
    corners = [(left, front), (right, front), (right, back), (left, back), (left, front)]
    points = [
        (x + (to_x - x) * step / STEPS, y + (to_y - y) * step / STEPS)
        for (x, y), (to_x, to_y) in pairwise(corners)
        for step in range(STEPS)
    ]
    contour = Dataset()
    contour.ContourImageSequence = Sequence([reference(image)])
    contour.ContourNumber, contour.ContourGeometricType = number, "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(points)
    contour.ContourData = [f"{value:g}" for x, y in points for value in (x, y, z)]
    return contour
