"""The viewer's sample study: a volume, what refers to it, a document and a video."""

from __future__ import annotations

from pydicom.uid import ImplicitVRLittleEndian

from tests.support.viewed import clip, document, report, segmentation, structures, volume
from tests.support.viewed.objects import file


def files() -> list[bytes]:
    """All its objects as files."""
    images = volume.slices()
    others = [segmentation.segmentation(images), report.report(images), document.document()]
    return [
        *(file(ds) for ds in [*images, *others]),
        file(structures.structures(images), ImplicitVRLittleEndian),  # whose values may be longer than 64 kB
        clip.clip(),
    ]
