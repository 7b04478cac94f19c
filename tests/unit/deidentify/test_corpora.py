"""Real files of many makers: each is de-identified, or refused by name."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames

from dicomweb.deidentify.object import deidentified
from dicomweb.deidentify.options import BurnedIn, Option, Profile
from dicomweb.deidentify.report import Report
from dicomweb.deidentify.stream import boxes, icc
from dicomweb.dicomjson.syntax import IMAGES
from dicomweb.pixel.codec import decode
from dicomweb.pixel.image import Array, Image
from healix_fhir.kernel.errors import HealixError
from tests.support.corpora import File, corpus
from tests.support.deidentified import KEYS

pytestmark = [pytest.mark.spec("PS3.15 E.1.1 (2026c)"), pytest.mark.filterwarnings("ignore::UserWarning")]
CLEANING = frozenset({Option.DESCRIPTORS, Option.STRUCTURED, Option.GRAPHICS, Option.MODIFIED_DATES})
BROKEN = {
    "the pixel data ends too early": 2,
    "the pixel data has no end": 1,
    "it is not encoded as its transfer syntax says": 1,
}


@pytest.mark.parametrize("profile", [Profile(burned_in=BurnedIn.KEEP), Profile(CLEANING, BurnedIn.KEEP)])
def test_every_whole_file_is_de_identified(profile: Profile) -> None:
    """Whole files come out whole, with the same pixel data and no name; broken ones have their reason."""
    report = Report(profile)
    for file in corpus().values():
        out = io.BytesIO()
        try:
            report.done(deidentified(io.BytesIO(file.content), out, KEYS, profile))
        except HealixError as error:
            report.refuse("2.25.1", str(error))
            continue
        _check(file, out.getvalue())
    refused = report.studies.pop("2.25.1").refused
    assert report.instances > 200
    assert all(reason in BROKEN or reason.startswith("it is no DICOM file") for reason in refused), refused
    assert sum(refused[reason] for reason in BROKEN) <= 4


def _check(file: File, content: bytes) -> None:
    ds = dcmread(io.BytesIO(content))
    assert ds.PatientIdentityRemoved == "YES"
    assert ds.StudyInstanceUID.startswith("2.25.")
    before = file.data_set
    assert before is not None
    names = [part for part in str(before.get("PatientName", "")).replace("^", " ").split() if len(part) > 4]
    for name in names:
        assert name.encode() not in content[: len(content) - len(ds.get("PixelData", b""))], file.name
    if "PixelData" in before and before.file_meta.TransferSyntaxUID == ds.file_meta.TransferSyntaxUID:
        _same_but_for_what_is_said(ds, before)


def _same_but_for_what_is_said(after: Dataset, before: Dataset) -> None:
    """What stood beside the pictures of compressed frames is empty, and the pictures are the same."""
    one, other = (np.frombuffer(ds.PixelData, np.uint8) for ds in (after, before))
    changed = one[one != other]
    if not changed.size:
        return
    assert before.file_meta.TransferSyntaxUID.startswith(IMAGES)
    assert set(changed.tobytes()) <= {*boxes.FREE, *icc.MADE, 0}
    for made, source in zip(_frames(after), _frames(before), strict=True):
        assert np.array_equal(made, source)


def _frames(ds: Dataset) -> list[Array]:
    image = Image(
        ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.BitsAllocated, ds.BitsStored, ds.PixelRepresentation == 1,
        ds.PhotometricInterpretation,
    )  # fmt: skip
    frames = generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames") or 1))
    found = []
    for frame in frames:
        try:
            found.append(decode(frame, ds.file_meta.TransferSyntaxUID, image))
        except HealixError:  # of what is no frame nothing can be compared
            found.append(np.zeros(0))
    return found
