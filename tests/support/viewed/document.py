"""A page as PDF, encapsulated: a blue square in its upper half. Spec: PS3.3 A.45.1, C.24.2 (2024d)"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EncapsulatedPDFStorage

from tests.support.viewed.objects import begin

SERIES = 5
TITLE = "Letter"
COLOUR = (0, 0, 255)
PAGE = b"0 0 1 rg 100 450 300 300 re f" + b" " * 2048
"""Longer than what metadata hold, so that the viewer has to ask for it."""


def pdf() -> bytes:
    """A PDF file of one page of 500 by 800 points."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 500 800]/Contents 4 0 R/Resources<<>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(PAGE), PAGE),
    )
    written, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(written))
    return written + b"xref\n0 %d\n0000000000 65535 f \n%s%s" % (len(objects) + 1, table, trailer)


def document() -> Dataset:
    """The object."""
    ds = begin(EncapsulatedPDFStorage, "DOC", SERIES, 1, TITLE)
    ds.ConversionType, ds.BurnedInAnnotation, ds.DocumentTitle = "WSD", "YES", TITLE
    ds.ConceptNameCodeSequence = Sequence()
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    content = pdf()
    ds.EncapsulatedDocumentLength = len(content)
    ds.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    return ds
