"""Of colour profiles the colours stay, and nothing that is said beside them: wherever a profile is."""

from __future__ import annotations

import io
from struct import pack, unpack_from

import imagecodecs
import numpy as np
import pytest
from PIL import Image as Picture
from PIL import ImageCms
from pydicom.dataset import Dataset

from dicomweb.deidentify.stream import icc
from healix_fhir.kernel.errors import HealixError
from tests.support.deidentified import made, of
from tests.support.dicom import data_set, encapsulated, with_pixels
from tests.support.video import box, mp4
from tests.unit.deidentify.test_frames import BASELINE, JPEG_2000, SAMPLES, frame_of, image

pytestmark = pytest.mark.spec("PS3.15 E.1.1 (2026c)")
NAME = b"Doe^Jane"
COLOURS = np.stack([SAMPLES, SAMPLES.T, SAMPLES[::-1]], -1)


def _named() -> bytes:
    """A profile of sRGB that says whose it is, in its header, in the texts that it must have, and in one of nobody."""
    plain = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    plain[4:8], plain[48:56], plain[80:84] = NAME[:4], NAME, NAME[:4]
    for number in range(unpack_from(">L", plain, 128)[0]):
        kind, start, size = unpack_from(">4sLL", plain, 132 + 12 * number)
        if kind in (b"desc", b"cprt"):
            text = b"mluc\0\0\0\0\0\0\0\1\0\0\0\x0cenUS" + pack(">LL", 16, 28) + NAME.decode().encode("utf-16-be")
            assert len(text) <= size
            plain[start : start + size] = text.ljust(size, b"\0")
    return bytes(plain)


PROFILE = _named()
SPELT = (NAME, NAME[:4], NAME[4:], NAME.decode().encode("utf-16-be"))


def seen(profile: bytes) -> bytes:
    """Colours as the profile shows them."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    shown = ImageCms.profileToProfile(
        Picture.fromarray(COLOURS), source, ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert shown is not None
    return shown.tobytes()


def silent(content: bytes) -> bool:
    """Whether the name is nowhere."""
    return not any(word in content for word in SPELT)


def test_colours_stay_and_texts_go() -> None:
    """The profile is as long, shows the same colours, and is read as one without a description."""
    assert not silent(PROFILE)
    after = icc.cleaned(PROFILE)
    assert after is not None
    assert len(after) == len(PROFILE)
    assert silent(after)
    assert b"sRGB" not in after
    assert seen(after) == seen(PROFILE)
    opened = ImageCms.getOpenProfile(io.BytesIO(after)).profile
    assert (opened.profile_description, opened.copyright) in (("", ""), (None, None))
    assert icc.cleaned(after) == after


@pytest.mark.parametrize("at", range(0, len(PROFILE), 97))
def test_what_is_cut_off_is_none(at: int) -> None:
    """A profile that ends too early is no profile, or has only what stays of a whole one."""
    after = icc.cleaned(PROFILE[:at])
    assert after is None or silent(after)


def test_a_tag_of_numbers_that_holds_a_text_is_emptied() -> None:
    """What a tag is called says nothing; its type does."""
    at = next(
        start
        for number in range(unpack_from(">L", PROFILE, 128)[0])
        for kind, start, _ in [unpack_from(">4sLL", PROFILE, 132 + 12 * number)]
        if kind == b"wtpt"
    )
    text = PROFILE[:at] + b"text\0\0\0\0" + NAME + PROFILE[at + 16 :]
    after = icc.cleaned(text)
    assert after is not None
    assert silent(after)


def test_the_attribute() -> None:
    """ICC Profile, at the root and in items, in its own length; what is none goes."""
    ds, item = data_set(), Dataset()
    ds.ICCProfile = item.ICCProfile = PROFILE
    ds.OpticalPathSequence = [item]
    after = of(ds)
    assert after.ICCProfile == after.OpticalPathSequence[0].ICCProfile == icc.cleaned(PROFILE)
    ds.ICCProfile = NAME
    assert "ICCProfile" not in of(ds)


@pytest.mark.parametrize("pieces", [1, 3])
def test_in_jpeg(pieces: int) -> None:
    """In application segments, in order or not; the picture is decoded with the same colours."""
    out = io.BytesIO()
    Picture.fromarray(COLOURS).save(out, "JPEG", subsampling=0)
    size = -(-len(PROFILE) // pieces)
    cut = [PROFILE[at : at + size] for at in range(0, len(PROFILE), size)]
    segments = [
        b"\xff\xe2" + pack(">H", len(one) + 16) + b"ICC_PROFILE\0" + bytes([number, pieces]) + one
        for number, one in enumerate(cut, 1)
    ]
    frame = out.getvalue()[:20] + b"".join(reversed(segments)) + out.getvalue()[20:]
    after = frame_of(made(image(BASELINE, frame))[0])
    assert silent(after)
    with Picture.open(io.BytesIO(after)) as opened, Picture.open(out) as before:
        assert opened.info["icc_profile"] == icc.cleaned(PROFILE)
        assert np.array_equal(np.asarray(opened), np.asarray(before))


def test_no_profile_in_jpeg_is_emptied() -> None:
    """What says that it is one and is none."""
    out = io.BytesIO()
    Picture.fromarray(COLOURS).save(out, "JPEG", icc_profile=NAME)
    after = frame_of(made(image(BASELINE, out.getvalue()))[0])
    assert silent(after)
    with Picture.open(io.BytesIO(after)) as opened:
        assert "icc_profile" not in opened.info


def in_jp2(profile: bytes) -> bytes:
    """A JP2 file whose colours are told by a profile."""
    plain = bytes(imagecodecs.jpeg2k_encode(COLOURS, level=0, reversible=True, codecformat="jp2"))
    at = plain.index(b"colr") - 4
    end = at + int.from_bytes(plain[at : at + 4], "big")
    told = box(b"colr", b"\2\0\0", profile)
    header = plain.index(b"jp2h") - 4
    size = int.from_bytes(plain[header : header + 4], "big") + len(told) - (end - at)
    return plain[:header] + size.to_bytes(4, "big") + plain[header + 4 : at] + told + plain[end:]


def test_in_jp2() -> None:
    """In the box of colours; what is no profile there cannot be looked through."""
    after = frame_of(made(image(JPEG_2000, in_jp2(PROFILE)))[0])
    assert silent(after)
    assert icc.cleaned(PROFILE) in after  # type: ignore[operator]
    with pytest.raises(HealixError, match="cannot be looked through"):
        made(image(JPEG_2000, in_jp2(NAME)))


def test_in_videos() -> None:
    """In the description of an MP4 file's pictures."""
    grown = mp4(64, 48, frames=0, profile=100, level=41)
    pictures, colours = box(b"hdlr", bytes(8), b"vide", bytes(12)), box(b"colr", b"prof", PROFILE)
    for told, before, around in (
        (pictures, b"minf", (b"mdia", b"trak", b"moov")),
        (colours, b"avcC", (b"avc1", b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov")),
    ):
        at = grown.index(before) - 4
        grown = grown[:at] + told + grown[at:]
        for name in around:
            place = grown.index(name) - 4
            size = int.from_bytes(grown[place : place + 4], "big") + len(told)
            grown = grown[:place] + size.to_bytes(4, "big") + grown[place + 4 :]
    ds = with_pixels(data_set(), bits=8)
    ds.BurnedInAnnotation = "NO"
    even = grown + b"\0" * (len(grown) % 2)
    _, written, _ = made(encapsulated(ds, [even], syntax="1.2.840.10008.1.2.4.102", count=1))
    assert silent(written)
    assert icc.cleaned(PROFILE) in written  # type: ignore[operator]
