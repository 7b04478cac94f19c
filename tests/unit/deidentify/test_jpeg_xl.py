"""Names in JPEG XL codestreams are emptied where they stand, bit by bit, and the picture is the same.

The names are written into what libjxl has encoded, and are in the right place where libjxl still decodes the picture.
"""

from __future__ import annotations

import io
from contextlib import suppress
from struct import unpack_from

import imagecodecs
import numpy as np
import pytest
from PIL import Image as Picture
from PIL import ImageCms

from dicomweb.deidentify.stream.frames import Frames
from dicomweb.deidentify.stream.jpeg_xl import cleaned
from healix_fhir.kernel.errors import Category, HealixError

pytestmark = pytest.mark.spec("PS3.15 E.1.1 (2026c)")
NAME = b"Doe^Jane"
FURTHEST = 60
"""Bytes behind a name in which its header ends."""
SAMPLES = np.random.default_rng(7).integers(0, 200, (24, 24, 4))


def bits_of(data: bytes) -> str:
    """The bits of bytes, each byte from the lowest bit on."""
    return "".join(f"{byte:08b}"[::-1] for byte in data)


def bytes_of(bits: str) -> bytes:
    """The bytes of bits, filled up with zeros."""
    padded = bits + "0" * (-len(bits) % 8)
    return bytes(int(padded[at : at + 8][::-1], 2) for at in range(0, len(padded), 8))


def same(one: bytes, other: bytes) -> bool:
    """Whether both are the same picture."""
    try:
        return np.array_equal(imagecodecs.jpegxl_decode(one), imagecodecs.jpegxl_decode(other))
    except RuntimeError:  # what libjxl cannot decode
        return False


def stream_of(frame: bytes) -> tuple[bytes, bytes]:
    """What stands before a codestream, and the codestream, which is the last box of a file."""
    at = 0
    if frame.startswith(b"\xff\x0a"):
        return b"", frame
    while frame[at + 4 : at + 8] != b"jxlc":
        at += unpack_from(">L", frame, at)[0]
    return frame[:at], frame[at + 8 :]


def in_box(before: bytes, stream: bytes) -> bytes:
    """The file again."""
    return before + ((8 + len(stream)).to_bytes(4, "big") + b"jxlc" if before else b"") + stream


def named(frame: bytes, number: int) -> bytes:
    """A file whose name of this number, which was empty, is `NAME`.

    What follows it in its header moves by some bits, and what follows the header, which ends with a byte, by bytes.
    """
    before, stream = stream_of(frame)
    place = cleaned(bytearray(stream))[number]
    bits = bits_of(stream[: place // 8 + FURTHEST])
    assert bits[place - 2 : place] == "00"
    told = "10" + f"{len(NAME):04b}"[::-1] + bits_of(NAME)  # the second form of a length, in four bits
    for end in range(place // 8 + 1, place // 8 + FURTHEST):
        header = bits[: place - 2] + told + bits[place : 8 * end]
        for length in (len(header) // 8 * 8, len(header)):
            made = in_box(before, bytes_of(header[:length]) + stream[end:])
            if same(made, frame):
                return made
    raise AssertionError("no such name")


def says(data: bytes) -> bool:
    """Whether the name stands anywhere, at whatever bit."""
    return bits_of(NAME) in bits_of(data)


def encoded(samples: np.ndarray, *, lossless: bool = True, photometric: str | None = None) -> bytes:
    """A picture as JPEG XL, in no boxes where it needs none."""
    return bytes(imagecodecs.jpegxl_encode(samples, lossless=lossless, usecontainer=False, photometric=photometric))


GREY = SAMPLES[..., 0].astype(np.uint8)
PICTURES = {
    "grey": (encoded(GREY), 0),
    "lossy": (encoded(GREY, lossless=False), 0),
    "colours": (encoded(SAMPLES[..., :3].astype(np.uint8)), 0),
    "the first of several": (encoded(np.stack([GREY, GREY.T, GREY + 1]), photometric="gray"), 0),
    "the last of several": (encoded(np.stack([GREY, GREY.T, GREY + 1]), photometric="gray"), 2),
    "a channel": (encoded(SAMPLES.astype(np.uint16)), 0),
    "a frame beside a channel": (encoded(SAMPLES.astype(np.uint16)), 1),
}


@pytest.mark.parametrize("picture", PICTURES)
def test_names_are_emptied(picture: str) -> None:
    """No bit of the name is left, every length is as it was, and so is the picture."""
    frame, number = PICTURES[picture]
    said = named(frame, number)
    assert says(said)
    after = bytearray(said)
    Frames().fragment(after)
    assert not says(bytes(after))
    assert (len(after), same(bytes(after), frame)) == (len(said), True)


@pytest.mark.parametrize("picture", PICTURES)
def test_what_says_nothing_stays_as_it_is(picture: str) -> None:
    """Not a bit is another one, but for what follows the last frame."""
    frame, _ = PICTURES[picture]
    after = bytearray(frame)
    Frames().fragment(after)
    assert bytes(after) == frame
    if frame.startswith(b"\xff\x0a"):
        after += NAME
        Frames().fragment(after)
        assert bytes(after) == frame + bytes(len(NAME))


def test_a_file_whose_codestream_is_in_parts() -> None:
    """A picture that was a JPEG file before."""
    out = io.BytesIO()
    Picture.fromarray(SAMPLES[..., :3].astype(np.uint8)).save(out, "JPEG")
    frame = bytes(imagecodecs.jpegxl_encode_jpeg(out.getvalue()))
    assert b"jxlp" in frame
    after = bytearray(frame)
    Frames().fragment(after)
    assert same(bytes(after), frame)


def test_a_colour_profile_in_the_codestream_is_refused() -> None:
    """It is coded arithmetically, and whoever made it is named in it."""
    out = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Picture.fromarray(SAMPLES[..., :3].astype(np.uint8)).save(out, "JPEG", icc_profile=profile)
    refused(bytes(imagecodecs.jpegxl_encode_jpeg(out.getvalue())))


@pytest.mark.parametrize("length", [2, 3, 9, 40])
def test_what_is_cut_off_is_refused(length: int) -> None:
    """Nobody knows what else it would have said."""
    refused(PICTURES["grey"][0][:length])


def test_a_codestream_in_two_fragments_is_refused() -> None:
    """Names may stand on both sides."""
    frame, _ = PICTURES["the last of several"]
    refused(frame[:300], frame[300:])


def refused(*fragments: bytes) -> None:
    """Expect that a frame is refused."""
    frames = Frames()
    for one in fragments[:-1]:
        with suppress(HealixError):
            frames.fragment(bytearray(one))
    with pytest.raises(HealixError) as error:
        frames.fragment(bytearray(fragments[-1]))
    assert error.value.category is Category.UNPROCESSABLE
