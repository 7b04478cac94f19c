"""Pixel regions blanked by rule, and images that are refused because text may be in them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    VideoEndoscopicImageStorage,
)

from dicomweb.deidentify.options import BurnedIn, Option, PixelRule, Region
from dicomweb.dicomjson.syntax import EXPLICIT_LITTLE
from dicomweb.pixel import codec
from dicomweb.pixel.image import Image
from healix_fhir.kernel.errors import HealixError
from tests.support.deidentified import made, pixels
from tests.support.dicom import big_endian, data_set, deflated, encapsulated, implicit, part10, rle, with_pixels

pytestmark = pytest.mark.spec("PS3.15 E.3.1 (2026c)")
REGION = Region(2, 1, 3, 2)
RULE = (PixelRule((REGION,), modality="CT"),)


def blanked(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What the rule leaves of the frames."""
    wanted = array.copy()
    wanted[..., 1:3, 2:5] = 0
    return wanted


def cleaned(file: bytes, rules: tuple[PixelRule, ...] = RULE) -> tuple[Dataset, bytes]:
    """What is made of a file by the rules."""
    ds, content, done = made(file, Option.PIXELS, regions=rules)
    assert done.regions
    assert ds.BurnedInAnnotation == "NO"
    return ds, content


@pytest.mark.parametrize("encode", [part10, implicit, big_endian, deflated, rle])
@pytest.mark.parametrize("frames", [1, 3])
def test_exactly_the_region_is_blanked(encode: Any, frames: int) -> None:
    """In every frame the pixels of the region become 0, and all others stay, in every lossless encoding."""
    source = with_pixels(data_set(), frames=frames)
    wanted = blanked(_frames(frames))
    ds, _ = cleaned(encode(source))
    assert np.array_equal(pixels(ds).reshape(wanted.shape), wanted)


def _frames(count: int) -> np.ndarray[Any, Any]:
    return np.arange(64 * count, dtype="<u2").reshape(count, 8, 8)


def test_single_bits() -> None:
    """Frames of single bits that begin within a byte are blanked where they lie."""
    source = with_pixels(data_set(), rows=5, columns=7, frames=3, bits=1)
    before = np.unpackbits(np.frombuffer(source.PixelData, np.uint8), bitorder="little")[:105].reshape(3, 5, 7)
    ds, _ = cleaned(part10(source))
    after = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little")[:105].reshape(3, 5, 7)
    assert np.array_equal(after, blanked(before))


@pytest.mark.parametrize("planar", [0, 1])
def test_colours(planar: int) -> None:
    """Colours are blanked pixel by pixel and plane by plane."""
    source = with_pixels(data_set(), bits=8)
    source.SamplesPerPixel, source.PhotometricInterpretation, source.PlanarConfiguration = 3, "RGB", planar
    samples = np.random.default_rng(1).integers(1, 255, (8, 8, 3), np.uint8)
    source.PixelData = (np.moveaxis(samples, -1, 0) if planar else samples).tobytes()
    ds, _ = cleaned(part10(source))
    wanted = samples.copy()
    wanted[1:3, 2:5] = 0
    assert np.array_equal(pixels(ds), wanted)


def test_chrominance_of_pairs() -> None:
    """Of pixels that share their chrominance the whole pair is blanked."""
    source = with_pixels(data_set(), bits=8)
    source.SamplesPerPixel, source.PhotometricInterpretation, source.PlanarConfiguration = 3, "YBR_FULL_422", 0
    source.PixelData = bytes(range(1, 129))
    ds, _ = cleaned(part10(source))
    pairs = np.frombuffer(ds.PixelData, np.uint8).reshape(8, 4, 4)
    before = np.frombuffer(source.PixelData, np.uint8).reshape(8, 4, 4)
    assert (pairs[1:3, 1:3] == (0, 0, 128, 128)).all()
    assert np.array_equal(pairs[3:], before[3:])
    assert np.array_equal(pairs[1, 0], before[1, 0])


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_lossless_stays_as_it_is_compressed(syntax: str) -> None:
    """What is compressed without loss is so afterwards, in the same transfer syntax."""
    image = Image(8, 8, bits_allocated=16, bits_stored=16)
    frames = [codec.encode(one, syntax, image) for one in _frames(3)]
    ds, _ = cleaned(encapsulated(with_pixels(data_set(), frames=3), frames, syntax=syntax))
    assert ds.file_meta.TransferSyntaxUID == syntax
    found = [codec.decode(frame, syntax, image) for frame in generate_frames(ds.PixelData, number_of_frames=3)]
    assert np.array_equal(found, blanked(_frames(3)))


def test_lossy_is_not_compressed_again() -> None:
    """What lost something is written uncompressed and says what lost it; all other pixels are as decoded before."""
    samples = np.random.default_rng(2).integers(0, 255, (8, 8), np.uint8)
    image = Image(8, 8)
    frame = codec.encode(samples, JPEGBaseline8Bit, image)
    ds, _ = cleaned(encapsulated(with_pixels(data_set(), bits=8), [frame]))
    assert ds.file_meta.TransferSyntaxUID == EXPLICIT_LITTLE
    assert (ds.LossyImageCompression, ds.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    assert np.array_equal(pixels(ds), blanked(codec.decode(frame, JPEGBaseline8Bit, image)))


def test_rules_fit_by_what_they_name() -> None:
    """The first rule counts whose modality, maker, model and size are those of the image; -1 reaches to the edge."""
    others = (
        PixelRule((Region(0, 0, 8, 8),), modality="US"),
        PixelRule((Region(0, 0, 8, 8),), manufacturer="Healix", rows=9),
        PixelRule((Region(0, 0, 8, 8),), manufacturer="healix", model="other"),
        PixelRule((Region(0, 6, -1, -1),), manufacturer="healix", rows=8, columns=8),
    )
    ds, _ = cleaned(part10(with_pixels(data_set())), others)
    wanted = _frames(1)[0].copy()
    wanted[6:] = 0
    assert np.array_equal(pixels(ds), wanted)


@pytest.mark.parametrize(
    ("sop_class", "said", "refused"),
    [
        (None, "YES", True),
        (None, None, False),
        (SecondaryCaptureImageStorage, None, True),
        (SecondaryCaptureImageStorage, "NO", False),
        (UltrasoundImageStorage, None, True),
        (VideoEndoscopicImageStorage, None, True),
    ],
)
def test_text_in_pixels(sop_class: str | None, said: str | None, refused: bool) -> None:
    """An image that may have text in it is refused without a rule, unless it is told that it may be kept."""
    source = with_pixels(data_set(BurnedInAnnotation=said))
    source.SOPClassUID = sop_class or source.SOPClassUID
    file = part10(source)
    if refused:
        with pytest.raises(HealixError, match="text may be burned"):
            made(file)
    kept, _, _ = made(file, burned_in=BurnedIn.KEEP)
    assert kept.get("BurnedInAnnotation") == said
    nothing_there, _, done = made(file, Option.PIXELS, regions=(PixelRule(()),))
    assert (nothing_there.BurnedInAnnotation, done.regions) == ("NO", 0)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (encapsulated(with_pixels(data_set()), [b"\0\0\0\1"], syntax="1.2.840.10008.1.2.4.102"), "cannot be decoded"),
        (encapsulated(with_pixels(data_set()), [b"\0\0\0\1"]), "how large"),
        (part10(with_pixels(data_set()))[:-20], "shorter|early"),
        (b"no file", "no DICOM file"),
    ],
)
def test_what_cannot_be_blanked_is_refused(file: bytes, reason: str) -> None:
    """Pixels that cannot be decoded, or are not there, are refused by name."""
    with pytest.raises(HealixError, match=reason):
        made(file, Option.PIXELS, regions=RULE)


def test_an_overlay_in_the_pixels_is_refused() -> None:
    """An overlay in unused bits of the pixels is not cleaned, and not passed on."""
    ds = with_pixels(data_set())
    ds.add_new(0x60000102, "US", 15)
    with pytest.raises(HealixError, match="overlay"):
        made(part10(ds))


def test_large_pixel_data_are_copied_in_pieces() -> None:
    """Pixel data go through a piece at a time: memory does not grow with them."""
    import tracemalloc

    from dicomweb.deidentify.object import deidentified
    from dicomweb.deidentify.options import Profile
    from tests.support.deidentified import KEYS

    source, out = io.BytesIO(part10(with_pixels(data_set(), rows=4096, columns=2048))), io.BytesIO()
    deidentified(io.BytesIO(part10(data_set())), io.BytesIO(), KEYS, Profile())  # what is loaded once
    tracemalloc.start()
    out.write(bytes(18 << 20))
    out.seek(0)
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    deidentified(source, out, KEYS, Profile())
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 6 << 20
