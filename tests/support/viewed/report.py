"""A measurement report on the volume: one length, along the upper edge of the bar.

Spec: PS3.16 TID 1500, TID 1501, TID 300, TID 320 (2024d)
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import Comprehensive3DSRStorage

from tests.support.dicom import uid
from tests.support.viewed.objects import STUDY, begin, code, reference
from tests.support.viewed.volume import BAR_SLICES, COLUMNS, ROWS, SPACING

SERIES = 4
TITLE = "Report of a length"
SLICE = BAR_SLICES[8]
LENGTH = (COLUMNS.stop - COLUMNS.start) * SPACING
TRACKING = "Cornerstone3DTools@^0.1.0:Length"
"""By this the viewer knows which of its tools draws the measurement."""


def report(volume: list[Dataset]) -> Dataset:
    """The object."""
    image = volume[SLICE]
    ds = begin(Comprehensive3DSRStorage, "SR", SERIES, 1, TITLE)
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "UNVERIFIED"
    ds.PerformedProcedureCodeSequence, ds.ReferencedPerformedProcedureStepSequence = Sequence(), Sequence()
    series, study = Dataset(), Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = image.SeriesInstanceUID, Sequence([reference(image)])
    study.StudyInstanceUID, study.ReferencedSeriesSequence = image.StudyInstanceUID, Sequence([series])
    ds.CurrentRequestedProcedureEvidenceSequence = Sequence([study])
    root = _container(
        "126000",
        "Imaging Measurement Report",
        None,
        [
            _coded(
                "HAS CONCEPT MOD", "121049", "Language of Content Item and Descendants", ("en", "RFC5646", "English")
            ),
            _coded("HAS CONCEPT MOD", "121058", "Procedure reported", ("77477000", "SCT", "Computed tomography")),
            _container("126010", "Imaging Measurements", "CONTAINS", [_group(image)]),
        ],
    )
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "1500"
    root.ContentTemplateSequence = Sequence([template])
    ds.update(root)
    return ds


def _group(image: Dataset) -> Dataset:
    tracking, tracked = _item("HAS OBS CONTEXT", "TEXT", "112039", "Tracking Identifier"), Dataset()
    tracking.TextValue = TRACKING
    tracked = _item("HAS OBS CONTEXT", "UIDREF", "112040", "Tracking Unique Identifier")
    tracked.UID = uid(STUDY, SERIES, 1, 1)
    finding = _coded("CONTAINS", "121071", "Finding", ("118565006", "SCT", "Volume"))
    return _container("125007", "Measurement Group", "CONTAINS", [tracking, tracked, finding, _length(image)])


def _length(image: Dataset) -> Dataset:
    selected = Dataset()
    selected.RelationshipType, selected.ValueType = "SELECTED FROM", "IMAGE"
    selected.ReferencedSOPSequence = Sequence([reference(image)])
    line = _item("INFERRED FROM", "SCOORD", "121055", "Path")
    line.GraphicType = "POLYLINE"
    line.GraphicData = [float(COLUMNS.start), float(ROWS.start), float(COLUMNS.stop), float(ROWS.start)]
    line.ContentSequence = Sequence([selected])
    value = Dataset()
    value.NumericValue = f"{LENGTH:g}"
    value.MeasurementUnitsCodeSequence = code("mm", "UCUM", "millimeter")
    length = _item("CONTAINS", "NUM", "410668003", "Length", scheme="SCT")
    length.MeasuredValueSequence = Sequence([value])
    length.ContentSequence = Sequence([line])
    return length


def _container(value: str, meaning: str, relationship: str | None, content: list[Dataset]) -> Dataset:
    item = _item(relationship, "CONTAINER", value, meaning)
    item.ContinuityOfContent, item.ContentSequence = "SEPARATE", Sequence(content)
    return item


def _coded(relationship: str, value: str, meaning: str, concept: tuple[str, str, str]) -> Dataset:
    item = _item(relationship, "CODE", value, meaning)
    item.ConceptCodeSequence = code(*concept)
    return item


def _item(relationship: str | None, kind: str, value: str, meaning: str, *, scheme: str = "DCM") -> Dataset:
    item = Dataset()
    if relationship:
        item.RelationshipType = relationship
    item.ValueType, item.ConceptNameCodeSequence = kind, code(value, scheme, meaning)
    return item
