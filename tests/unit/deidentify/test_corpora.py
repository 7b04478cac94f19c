"""Real files of many makers: each is de-identified, or refused by name."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pydicom import dcmread

from dicomweb.deidentify.comments import JPEG_FAMILY
from dicomweb.deidentify.object import deidentified
from dicomweb.deidentify.options import BurnedIn, Option, Profile
from dicomweb.deidentify.report import Report
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
        _same_but_for_comments(ds.PixelData, before.PixelData, ds.file_meta.TransferSyntaxUID)


def _same_but_for_comments(after: bytes, before: bytes, syntax: str) -> None:
    """Of what an encoder says of itself there are zeros."""
    changed = np.frombuffer(after, np.uint8)[np.frombuffer(after, np.uint8) != np.frombuffer(before, np.uint8)]
    assert not changed.any()
    assert not changed.size or syntax.startswith(JPEG_FAMILY)
