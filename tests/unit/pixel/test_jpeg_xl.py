"""The size that a JPEG XL stream says it has, read before it is decoded."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from dicomweb.pixel.codec import decode
from dicomweb.pixel.codestream import size
from dicomweb.pixel.image import image
from dicomweb.pixel.layout import Pixels
from dicomweb.pixel.syntaxes import JPEG_XL, JPEG_XL_LOSSLESS
from healix_fhir.kernel.errors import Category, HealixError

SHAPES = [(3, 5), (8, 8), (512, 512), (300, 700), (1000, 33), (120, 160), (9, 200), (200, 9), (600, 10000), (10, 20)]


@pytest.mark.spec("PS3.5 A.4.12")
@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_size_is_read_from_the_first_bits(shape: tuple[int, int], container: bool) -> None:
    """Small and large, multiples of eight, and sides in one of the common ratios; bare and in a file."""
    made = bytes(imagecodecs.jpegxl_encode(np.zeros(shape, np.uint8), lossless=True, usecontainer=container))
    assert size(made) == shape


@pytest.mark.parametrize("length", [2, 3, 4])
def test_a_stream_that_is_cut_off_is_refused(length: int) -> None:
    """Within its header."""
    made = bytes(imagecodecs.jpegxl_encode(np.zeros((300, 700), np.uint8), lossless=True))[:length]
    with pytest.raises(HealixError) as refused:
        size(made)
    assert refused.value.category is Category.UNPROCESSABLE


def _described(rows: int, columns: int) -> Pixels:
    return Pixels(rows, columns, 1, 8, "MONOCHROME2", 0, 1, "OB", 8)


@pytest.mark.parametrize("syntax", [JPEG_XL_LOSSLESS, JPEG_XL])
def test_what_says_it_is_larger_than_its_attributes_is_not_decoded(
    syntax: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes can say that they are a billion pixels."""
    bomb = b"\xff\x0a" + (3 << 1 | ((1 << 30) - 1) << 3 | 1 << 33).to_bytes(8, "little")
    assert size(bomb) == (1 << 30, 1 << 30)
    monkeypatch.setattr(imagecodecs, "jpegxl_decode", lambda *_, **__: pytest.fail("it was decoded"))
    with pytest.raises(HealixError, match="another size"):
        decode(bomb, syntax, image(_described(8, 8)))
