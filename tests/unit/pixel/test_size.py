"""The size that a compressed frame says it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest

from dicomweb.pixel.codestream import size
from healix_fhir.kernel.errors import Category, HealixError

GREY = np.zeros((40, 24), "u1")
COLOUR = np.zeros((40, 24, 3), "u1")


@pytest.mark.parametrize(
    "encode",
    [
        imagecodecs.jpeg8_encode,
        lambda samples: imagecodecs.jpeg8_encode(samples, lossless=True, predictor=1),
        imagecodecs.jpegls_encode,
        lambda samples: imagecodecs.jpeg2k_encode(samples, codecformat="j2k"),
        lambda samples: imagecodecs.jpeg2k_encode(samples, codecformat="jp2"),
        imagecodecs.htj2k_encode,
    ],
    ids=["JPEG", "JPEG lossless", "JPEG-LS", "JPEG 2000", "JP2", "HTJ2K"],
)
@pytest.mark.parametrize("samples", [GREY, COLOUR], ids=["grey", "colour"])
def test_rows_and_columns(encode: Callable[[Any], bytes], samples: Any) -> None:
    """Every codec's own frames say their size."""
    assert size(bytes(encode(samples))) == (40, 24)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0", b"\xff\xd8" + bytes(100), b"\xff\x4f\xff\x51\0"]
)
def test_what_tells_no_size(data: bytes) -> None:
    """Bytes that end before, or are no frame, are refused: nobody decodes what may be of any size."""
    with pytest.raises(HealixError) as refusal:
        size(data)
    assert refusal.value.category is Category.UNPROCESSABLE


def test_a_thumbnail_inside_does_not_count() -> None:
    """What is in a segment of an application is passed over."""
    small = bytes(imagecodecs.jpeg8_encode(np.zeros((8, 8), "u1")))
    whole = bytes(imagecodecs.jpeg8_encode(GREY))
    segment = b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small
    assert size(whole[:2] + segment + whole[2:]) == (40, 24)


def test_a_code_stream_far_inside_a_file_counts() -> None:
    """However much a JP2 file holds before its code stream, that is found."""
    whole = bytes(imagecodecs.jpeg2k_encode(GREY, codecformat="jp2"))
    free = (10_008).to_bytes(4, "big") + b"free" + bytes(10_000)
    assert size(whole[:12] + free + whole[12:]) == (40, 24)
