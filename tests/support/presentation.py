"""A presentation state for tests."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.support.dicom import data_set

GREYSCALE = "1.2.840.10008.5.1.4.1.1.11.1"


def item(**elements: Any) -> Dataset:
    """An item of a sequence; lists of items are sequences."""
    ds = Dataset()
    for keyword, value in elements.items():
        is_sequence = isinstance(value, list) and value and isinstance(value[0], Dataset)
        setattr(ds, keyword, Sequence(value) if is_sequence else value)
    return ds


def state(*images: Dataset, **elements: Any) -> Dataset:
    """A grayscale softcopy presentation state of images of one series; `elements` are added."""
    named = [item(ReferencedSOPClassUID=one.SOPClassUID, ReferencedSOPInstanceUID=one.SOPInstanceUID) for one in images]
    series = item(SeriesInstanceUID=images[0].SeriesInstanceUID, ReferencedImageSequence=named)
    ds = data_set(1, 7, 1, SOPClassUID=GREYSCALE, Modality="PR", ContentLabel="STATE", PresentationLUTShape="IDENTITY")
    ds.update(item(ReferencedSeriesSequence=[series], **elements))
    return ds
