"""Colours as they are shown: palettes, also in segments, and Y, Cb and Cr."""

from __future__ import annotations

from base64 import b64encode
from struct import pack
from typing import Any

import numpy as np
import pytest

from dicomweb.pixel.colour import rgb
from dicomweb.pixel.image import NO_ATTRIBUTES, Attributes, Image
from healix_fhir.kernel.errors import HealixError


def palette(data: bytes, size: int, bits: int, *, first: int = 0, segmented: bool = False) -> Attributes:
    """The same palette for all three colours."""
    members: dict[str, Any] = {}
    for colour in (1, 2, 3):
        members[f"0028110{colour}"] = {"Value": [size, first, bits]}
        tag = f"0028122{colour}" if segmented else f"0028120{colour}"
        members[tag] = {"InlineBinary": b64encode(data).decode()}
    return Attributes(members, lambda _: b"")


GREY = Image(1, 3, photometric="PALETTE COLOR")
INDEX = np.asarray([[0, 1, 9]], np.uint8)


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        (palette(pack("<3H", 0x1200, 0x3400, 0xFF00), 3, 16), [0x12, 0x34, 0xFF]),
        (palette(pack("<3H", 0x12, 0x34, 0xFF), 3, 8), [0x12, 0x34, 0xFF]),
        (palette(bytes([1, 2, 3, 0]), 3, 8), [1, 2, 3]),
        (palette(pack("<3H", 0x1200, 0x3400, 0xFF00), 3, 16, first=1), [0x12, 0x12, 0xFF]),
        (palette(pack("<10H", 0, 1, 0, 1, 2, 0x8000, 0, 1, 0xFF00, 0)[:18], 4, 16, segmented=True), [0, 0x40, 0xFF]),
    ],
)
@pytest.mark.spec("PS3.3 C.7.6.3.1.5")
def test_palettes(attributes: Attributes, shown: list[int]) -> None:
    """An index is shown as its entry, before the first as the first, behind the last as the last."""
    found = rgb(INDEX, GREY, "PALETTE COLOR", attributes)
    assert found[0, :, 0].tolist() == shown


@pytest.mark.parametrize(
    "data",
    [pack("<3H", 9, 1, 0), pack("<3H", 1, 3, 5), pack("<4H", 2, 1, 0, 0), pack("<6H", 0, 1, 7, 2, 1, 2), b""],
)
def test_broken_segments_are_refused(data: bytes) -> None:
    """Unknown kinds, lines from nowhere and repetitions of what is not there are Unprocessable."""
    with pytest.raises(HealixError):
        rgb(INDEX, GREY, "PALETTE COLOR", palette(data, 3, 16, segmented=True))


@pytest.mark.spec("PS3.3 C.7.6.3.1.2")
def test_luminance_and_chrominance() -> None:
    """Y, Cb and Cr become red, green and blue by the equations of the standard."""
    ybr = np.asarray([[[76, 85, 255], [150, 44, 21], [29, 255, 107], [128, 128, 128]]], np.uint8)
    found = rgb(ybr, Image(1, 4, 3, photometric="YBR_FULL"), "YBR_FULL", NO_ATTRIBUTES)
    assert np.abs(found[0].astype(int) - [[254, 0, 0], [0, 255, 0], [0, 0, 254], [128, 128, 128]]).max() <= 1
