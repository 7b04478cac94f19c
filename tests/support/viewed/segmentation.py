"""A binary segmentation of the volume: the bar, and a plate at the other end of the same slices.

Spec: PS3.3 A.51, C.8.20 (2024d)
"""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import SegmentationStorage

from tests.support.viewed.objects import FRAME_OF_REFERENCE, begin, code, reference
from tests.support.viewed.volume import BAR_SLICES, COLUMNS, ROWS, SIDE, SPACING, THICKNESS

SERIES = 2
LABEL = "Bar and plate"
PLATE = slice(80, 104)
COLOURS = {1: (255, 0, 0), 2: (0, 0, 255)}
"""What the segments are to be shown in; in the object it is CIELab."""
CIELAB = {1: [34886, 53485, 50171], 2: [21167, 53262, 5200]}


def segmentation(volume: list[Dataset]) -> Dataset:
    """The object, its frames in the order of segments and slices."""
    ds = begin(SegmentationStorage, "SEG", SERIES, 1, LABEL)
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.ContentLabel, ds.ContentDescription, ds.ContentCreatorName = "SEGMENTATION", LABEL, "Tester"
    ds.SegmentationType, ds.LossyImageCompression = "BINARY", "00"
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = FRAME_OF_REFERENCE, ""
    ds.Rows = ds.Columns = SIDE
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 1, 1, 0, 0
    ds.SegmentSequence = Sequence([_segment(1, "Bar"), _segment(2, "Plate")])
    series = Dataset()
    series.SeriesInstanceUID = volume[0].SeriesInstanceUID
    series.ReferencedInstanceSequence = Sequence([reference(image) for image in volume])
    ds.ReferencedSeriesSequence = Sequence([series])
    ds.DimensionOrganizationSequence, ds.DimensionIndexSequence = _dimensions(ds.SOPInstanceUID)
    ds.SharedFunctionalGroupsSequence = Sequence([_shared()])
    frames, groups = [], []
    for number, rows, columns in ((1, ROWS, COLUMNS), (2, PLATE, PLATE)):
        for position, index in enumerate(BAR_SLICES, 1):
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[rows, columns] = 1
            frames.append(mask)
            groups.append(_group(number, position, volume[index]))
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    ds.NumberOfFrames = len(frames)
    ds.PixelData = np.packbits(np.stack(frames).ravel(), bitorder="little").tobytes()
    ds["PixelData"].VR = "OB"
    return ds


def _segment(number: int, label: str) -> Dataset:
    item = Dataset()
    item.SegmentNumber, item.SegmentLabel, item.SegmentAlgorithmType = number, label, "MANUAL"
    item.SegmentedPropertyCategoryCodeSequence = code("91723000", "SCT", "Anatomical structure")
    item.SegmentedPropertyTypeCodeSequence = code("85756007", "SCT", "Tissue")
    item.RecommendedDisplayCIELabValue = CIELAB[number]
    return item


def _dimensions(organization: str) -> tuple[Sequence, Sequence]:
    one = Dataset()
    one.DimensionOrganizationUID = f"{organization}.1"
    indices = []
    for pointer, group in ((0x0062000B, 0x0062000A), (0x00200032, 0x00209113)):
        item = Dataset()
        item.DimensionOrganizationUID = one.DimensionOrganizationUID
        item.DimensionIndexPointer, item.FunctionalGroupPointer = pointer, group
        indices.append(item)
    return Sequence([one]), Sequence(indices)


def _shared() -> Dataset:
    group, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [SPACING, SPACING], THICKNESS
    measures.SpacingBetweenSlices = THICKNESS
    group.PlaneOrientationSequence, group.PixelMeasuresSequence = Sequence([orientation]), Sequence([measures])
    return group


def _group(number: int, position: int, image: Dataset) -> Dataset:
    group, content, plane, segment, derivation = Dataset(), Dataset(), Dataset(), Dataset(), Dataset()
    content.DimensionIndexValues = [number, position]
    plane.ImagePositionPatient = image.ImagePositionPatient
    segment.ReferencedSegmentNumber = number
    derivation.DerivationCodeSequence = code("113076", "DCM", "Segmentation")
    source = reference(image, PurposeOfReferenceCodeSequence=code("121322", "DCM", "Source image"))
    derivation.SourceImageSequence = Sequence([source])
    group.FrameContentSequence, group.PlanePositionSequence = Sequence([content]), Sequence([plane])
    group.SegmentIdentificationSequence = Sequence([segment])
    group.DerivationImageSequence = Sequence([derivation])
    return group
