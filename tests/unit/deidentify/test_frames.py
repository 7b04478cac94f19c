"""Compressed frames say nothing beside their pictures afterwards, and are the same pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from struct import pack, unpack_from

import imagecodecs
import numpy as np
import pytest
from PIL import Image as Picture
from pydicom import Dataset
from pydicom.encaps import encapsulate, generate_frames

from healix_fhir.kernel.errors import Category, HealixError
from tests.support.deidentified import made
from tests.support.dicom import data_set, part10

pytestmark = pytest.mark.spec("PS3.15 E.1.1 (2026c)")
SAMPLES = np.arange(256, dtype=np.uint8).reshape(16, 16)
BASELINE, JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"
ENCODED = {
    BASELINE: bytes(imagecodecs.jpeg8_encode(SAMPLES)),
    JPEG_LS: bytes(imagecodecs.jpegls_encode(SAMPLES)),
    JPEG_2000: bytes(imagecodecs.jpeg2k_encode(SAMPLES, level=0, reversible=True, codecformat="j2k")),
}
NAME = b"Doe^Jane"


def image(syntax: str, *fragments: bytes) -> bytes:
    """A file with one frame, in fragments."""
    ds = data_set()
    _describe(ds)
    ds.PixelData = encapsulate([b"".join(fragments)]) if len(fragments) == 1 else _in_fragments(fragments)
    ds["PixelData"].VR = "OB"
    return part10(ds, syntax)


def _in_fragments(fragments: tuple[bytes, ...]) -> bytes:
    items = b"".join(pack("<HHL", 0xFFFE, 0xE000, len(one)) + one for one in (b"", *fragments))
    return items + pack("<HHL", 0xFFFE, 0xE0DD, 0)


def _describe(ds: Dataset) -> None:
    ds.Rows = ds.Columns = 16
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.SamplesPerPixel, ds.PixelRepresentation, ds.PhotometricInterpretation = 7, 1, 0, "MONOCHROME2"


def frame_of(ds: Dataset) -> bytes:
    """The one frame."""
    (frame,) = generate_frames(ds.PixelData, number_of_frames=1)
    return bytes(frame)


def with_segment(syntax: str, marker: int, content: bytes) -> bytes:
    """A frame with one more segment, where such ones usually stand."""
    frame = ENCODED[syntax]
    at = 4 + int.from_bytes(frame[4:6], "big") if syntax == JPEG_2000 else 2  # behind the size, which comes first
    segment = b"\xff" + bytes([marker]) + (len(content) + 2).to_bytes(2, "big") + content
    return frame[:at] + segment + frame[at:]


@pytest.mark.parametrize(
    ("syntax", "marker", "content"),
    [
        (BASELINE, 0xFE, NAME),
        (BASELINE, 0xE1, b"Exif\0\0" + NAME),
        (BASELINE, 0xED, b"Photoshop 3.0\0" + NAME),
        (BASELINE, 0xE0, b"JFIF\0\1\2\0\0\1\0\1\1\2" + NAME[:6]),  # a thumbnail of one by two
        (BASELINE, 0xE0, b"JFXX\0\x13" + NAME),
        (BASELINE, 0xE2, b"MPF\0" + NAME),
        (BASELINE, 0xE2, b"FPXR\0" + NAME),
        (BASELINE, 0xE8, b"\0\0\0\3" + NAME),  # the title of a SPIFF file
        (BASELINE, 0xEF, NAME),
        (JPEG_LS, 0xFE, NAME),
        (JPEG_2000, 0x64, b"\0\1" + NAME),
    ],
)
def test_comments_are_emptied(syntax: str, marker: int, content: bytes) -> None:
    """The name is nowhere, every length is as it was, and the picture too."""
    frame = with_segment(syntax, marker, content)
    ds, written, _ = made(image(syntax, frame))
    assert NAME[:6] not in written
    after = frame_of(ds)
    assert len(after) == len(frame) + len(frame) % 2
    assert np.array_equal(imagecodecs.imread(after), imagecodecs.imread(ENCODED[syntax]))


@pytest.mark.parametrize("syntax", ENCODED)
def test_a_frame_without_comments_is_the_same_picture(syntax: str) -> None:
    """Nothing is lost."""
    after = frame_of(made(image(syntax, ENCODED[syntax]))[0])
    assert np.array_equal(imagecodecs.imread(after), imagecodecs.imread(ENCODED[syntax]))


def photograph(**how: object) -> bytes:
    """What a camera writes, with the name in Exif and a comment."""
    exif = Picture.Exif()
    exif[0x010E] = exif[0x013B] = NAME.decode()
    out = io.BytesIO()
    samples = Picture.fromarray(np.kron(SAMPLES, np.ones((4, 4), np.uint8)))
    samples.save(out, "JPEG", exif=exif, comment=NAME, quality=95, **how)
    assert out.getvalue().count(NAME) == 3
    return out.getvalue()


def between_scans(frame: bytes) -> bytes:
    """A frame with a comment and an application segment before its last scan."""
    at = frame.rindex(b"\xff\xda")
    assert frame.count(b"\xff\xda") > 1
    return frame[:at] + b"".join(b"\xff" + code + pack(">H", 10) + NAME for code in (b"\xfe", b"\xe1")) + frame[at:]


def in_tile_part(frame: bytes) -> bytes:
    """A codestream with a comment in the header of its first tile-part."""
    at = frame.index(b"\xff\x90")
    (size,) = unpack_from(">L", frame, at + 6)
    comment = b"\xff\x64" + pack(">HH", 12, 1) + NAME
    grown = frame[at : at + 6] + pack(">L", size + len(comment) if size else 0) + frame[at + 10 : at + 12]
    return frame[:at] + grown + comment + frame[at + 12 :]


def until_the_end(frame: bytes) -> bytes:
    """A codestream whose one tile-part does not say how long it is."""
    at = frame.index(b"\xff\x90")
    return frame[: at + 6] + bytes(4) + frame[at + 10 :]


HTJ2K = "1.2.840.10008.1.2.4.201"
JPEG_XL, RECOMPRESSED = "1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.111"
COLOUR = bytes(imagecodecs.jpeg2k_encode(SAMPLES, level=0, reversible=True, codecformat="jp2"))
CONTAINED = bytes(imagecodecs.jpegxl_encode(SAMPLES, lossless=True, usecontainer=True))
HIGH_THROUGHPUT = bytes(imagecodecs.htj2k_encode(SAMPLES, reversible=True))


def box(kind: bytes, content: bytes) -> bytes:
    """A box of JP2 or JPEG XL."""
    return pack(">L4s", 8 + len(content), kind) + content


def boxes(frame: bytes, *kinds: bytes) -> bytes:
    """A file with further boxes that have the name in them, behind all others."""
    return frame + b"".join(box(kind, NAME) for kind in kinds)


def in_header(frame: bytes) -> bytes:
    """A JP2 file with a further box in its header."""
    at = frame.index(b"jp2h") - 4
    (size,) = unpack_from(">L", frame, at)
    label = box(b"lbl ", NAME)
    return frame[:at] + pack(">L", size + len(label)) + frame[at + 4 : at + size] + label + frame[at + size :]


def recompressed() -> bytes:
    """A JPEG file with Exif and a comment, as JPEG XL that it can be made of again."""
    return bytes(imagecodecs.jpegxl_encode_jpeg(photograph()))


FRAMES = {
    "a photograph": (BASELINE, photograph()),
    "progressive": (BASELINE, between_scans(photograph(progressive=True))),
    "with restarts": (BASELINE, photograph(restart_marker_blocks=2)),
    "behind the end": (BASELINE, ENCODED[BASELINE] + b"\0" + NAME),
    "JPEG-LS behind the end": (JPEG_LS, ENCODED[JPEG_LS] + NAME),
    "tile-part": (JPEG_2000, in_tile_part(ENCODED[JPEG_2000])),
    "tile-part without a length": (JPEG_2000, until_the_end(in_tile_part(ENCODED[JPEG_2000]))),
    "codestream behind the end": (JPEG_2000, ENCODED[JPEG_2000] + NAME),
    "HTJ2K": (HTJ2K, in_tile_part(HIGH_THROUGHPUT)),
    "JP2": (JPEG_2000, in_header(boxes(COLOUR, b"xml ", b"uuid", b"uinf", b"jp2i", b"Exif"))),
    "JPEG XL": (JPEG_XL, boxes(CONTAINED, b"Exif", b"xml ")),
}


@pytest.mark.parametrize("name", FRAMES)
def test_nothing_is_said_beside_the_picture(name: str) -> None:
    """What cameras and other programs write is gone, wherever it stood; the picture is the same to the last bit."""
    syntax, frame = FRAMES[name]
    assert NAME in frame
    ds, written, _ = made(image(syntax, frame))
    assert NAME not in written
    after = frame_of(ds)
    assert len(after) == len(frame) + len(frame) % 2
    assert np.array_equal(imagecodecs.imread(after), imagecodecs.imread(frame))


def test_the_file_that_was_recompressed_cannot_be_made_again() -> None:
    """JPEG XL keeps the metadata of a JPEG file in compressed boxes: these go, and the picture is the same."""
    frame = recompressed()
    assert b"jbrd" in frame
    after = frame_of(made(image(RECOMPRESSED, frame))[0])
    assert b"jbrd" not in after
    assert b"Exif" not in after
    assert np.array_equal(imagecodecs.jpegxl_decode(after), imagecodecs.jpegxl_decode(frame))


def test_what_a_decoder_needs_stays() -> None:
    """The colour transform of Adobe, and the size of JFIF. Profiles of colour have tests of their own."""
    out = io.BytesIO()
    colours = Picture.fromarray(np.stack([SAMPLES, SAMPLES.T, SAMPLES], -1))
    colours.save(out, "JPEG", subsampling=0)
    frame = out.getvalue()
    frame = frame[:20] + b"\xff\xee" + pack(">H", 14) + b"Adobe\0\x64\0\0\0\0\1" + frame[20:]
    assert frame_of(made(image(BASELINE, frame))[0])[: len(frame)] == frame


def cuts(frame: bytes, first: int) -> Iterator[tuple[bytes, bytes]]:
    """A frame in two fragments, cut at every even place from `first` on."""
    for at in range(first + first % 2, len(frame) - 1, 2):
        yield frame[:at], frame[at:] + b"\0" * (len(frame) % 2)


@pytest.mark.parametrize("syntax", ENCODED)
def test_frames_in_several_fragments(syntax: str) -> None:
    """Coded data may be cut anywhere, and is the same; a marker that is cut in two is refused."""
    frame = frame_of(made(image(syntax, ENCODED[syntax]))[0])[: len(ENCODED[syntax])]
    start = frame.rindex(b"\xff\x93" if syntax == JPEG_2000 else b"\xff\xda") + 16
    made_of = 0
    for fragments in cuts(frame, start):
        try:
            ds = made(image(syntax, *fragments))[0]
        except HealixError as error:
            assert fragments[0][-1:] == b"\xff" or fragments[1][:2] == b"\xff\xd9", error  # noqa: PT017
            continue
        made_of += 1
        assert ds.PixelData == _in_fragments(fragments)[:-8]
    assert made_of > 3


@pytest.mark.parametrize(
    ("syntax", "fragments"),
    [
        (BASELINE, (NAME,)),
        (BASELINE, (ENCODED[BASELINE], NAME)),
        (BASELINE, (ENCODED[BASELINE] + ENCODED[BASELINE],)),
        (BASELINE, (b"\xff\xd8\xff\xe1\0\x20" + NAME, NAME * 3)),
        (BASELINE, (b"\xff\xd8\xff\xfe\xff\xff" + NAME,)),
        (BASELINE, (b"\xff\xd8\xff\x33\0\x0a" + NAME,)),
        (BASELINE, (b"\xff\xd8" + NAME,)),
        (JPEG_2000, (ENCODED[JPEG_2000], NAME)),
        (JPEG_2000, (b"\xff\x4f\xff\x51\0\x04\0\0\xff\x4e\0\x0a" + NAME,)),
        (JPEG_2000, (ENCODED[JPEG_2000][:60],)),
        (JPEG_2000, (COLOUR[:200],)),
        (JPEG_2000, (COLOUR[:200], COLOUR[200:])),
        (JPEG_2000, (COLOUR + b"\0\0\0\x99xml " + NAME,)),
        (JPEG_2000, (COLOUR.replace(b"\xff\x4f\xff\x51", NAME[:4]),)),
    ],
)
def test_what_cannot_be_looked_through_is_refused(syntax: str, fragments: tuple[bytes, ...]) -> None:
    """What is no frame, ends too early, has unknown segments or is cut where it must not be may say anything."""
    even = tuple(one + b"\0" * (len(one) % 2) for one in fragments)
    with pytest.raises(HealixError) as refused:
        made(image(syntax, *even))
    assert refused.value.category is Category.UNPROCESSABLE
