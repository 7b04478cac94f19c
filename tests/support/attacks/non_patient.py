"""Attacks by the addresses of objects of no patient, which tell of none and are closed to patients' apps.

Spec: PS3.18 12 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator

from dicomweb.non_patient.models import WORDS
from tests.support.attacks.attack import Attack
from tests.support.dicom import ct
from tests.support.stow import HEADERS, body

BESIDE = "hanging protocols, palettes, templates and protocols are of no patient"


def non_patient() -> Iterator[Attack]:
    """Every address."""
    image = body([ct(8082, 1, 1, size=8)])
    for word in WORDS:
        place, one = f"/dicomweb/{word}", f"/dicomweb/{word}/<instance>"
        yield Attack("GET", f"{place}?SOPInstanceUID=<instance>", beside=BESIDE)
        yield Attack("GET", one, beside=BESIDE)
        yield Attack("GET", f"{one}/bulkdata/00281201", beside=BESIDE)
        yield Attack("POST", place, image, HEADERS, changes=True, beside=BESIDE, note="an image")
        yield Attack("POST", one, image, HEADERS, changes=True, beside=BESIDE, note="an image")
        yield Attack("DELETE", one, changes=True, beside=BESIDE)
