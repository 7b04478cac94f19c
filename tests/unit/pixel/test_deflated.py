"""Frames that are native but for their wrapping: encapsulated, or deflated one by one."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from dicomweb.dicomjson.syntax import DEFLATED_FRAMES, ENCAPSULATED_UNCOMPRESSED, is_compressed
from dicomweb.pixel.codec import decode
from dicomweb.pixel.image import Image
from healix_fhir.kernel.errors import Category, HealixError

IMAGES = {
    "bits": Image(5, 3, bits_allocated=1, bits_stored=1),
    "bytes of odd number": Image(5, 3),
    "words": Image(4, 6, bits_allocated=16, bits_stored=12, signed=True),
    "colours by plane": Image(3, 3, 3, photometric="RGB", planar=1),
}


def _wrapped(syntax: str, native: bytes) -> bytes:
    if syntax == ENCAPSULATED_UNCOMPRESSED:
        return native + b"\0" * (len(native) % 2)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    made = deflate.compress(native) + deflate.flush()
    return made + b"\0" * (len(made) % 2)


@pytest.mark.spec("PS3.5 A.4.13")
@pytest.mark.parametrize("syntax", [ENCAPSULATED_UNCOMPRESSED, DEFLATED_FRAMES])
@pytest.mark.parametrize("name", IMAGES)
def test_frames_are_read_exactly(syntax: str, name: str) -> None:
    """Whatever their samples are, and though the fragment is padded."""
    image = IMAGES[name]
    samples = np.random.default_rng(1).integers(0, 2, image.shape).astype(image.dtype)
    if image.bits_allocated == 1:
        native = np.packbits(samples.reshape(-1), bitorder="little").tobytes()
    else:
        native = (np.moveaxis(samples, -1, 0) if image.planar else samples).tobytes()
    assert is_compressed(syntax)
    assert np.array_equal(decode(_wrapped(syntax, native), syntax, image), samples)


@pytest.mark.parametrize("data", [b"", b"\xff\xff", _wrapped(DEFLATED_FRAMES, bytes(14)),
                                  _wrapped(DEFLATED_FRAMES, bytes(1 << 20)), zlib.compress(bytes(15))])  # fmt: skip
def test_what_is_no_deflated_frame_of_its_size_is_refused(data: bytes) -> None:
    """Broken, too short, a bomb, or with the header of another format."""
    with pytest.raises(HealixError) as refused:
        decode(data, DEFLATED_FRAMES, IMAGES["bytes of odd number"])
    assert refused.value.category is Category.UNPROCESSABLE
