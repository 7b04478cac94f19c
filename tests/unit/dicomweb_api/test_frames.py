"""In which form frames are written, by what the caller accepts and how they are stored."""

from __future__ import annotations

import pytest

from dicomweb.api.frames import Choice, choose
from dicomweb.pixel.image import Image
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.media_types import parse_accept

IMPLICIT, LITTLE, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
JPEG, J2K, RLE = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"
HTJ2K, JLS, VIDEO = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.102"
HEVC, MPEG2 = "1.2.840.10008.1.2.4.107", "1.2.840.10008.1.2.4.100"
CT = Image(512, 512, bits_allocated=16, bits_stored=12)
RELATED = "multipart/related"
OCTETS = "application/octet-stream"


@pytest.mark.spec("PS3.18 8.7.3.3")
@pytest.mark.parametrize(
    ("accept", "stored", "expected"),
    [
        ("*/*", IMPLICIT, Choice(OCTETS, LITTLE, True)),
        ("*/*", BIG, Choice(OCTETS, LITTLE, True)),
        ("*/*", J2K, Choice(OCTETS, LITTLE, True)),
        ("*/*", JPEG, Choice("image/jpeg", JPEG, True)),
        ("*/*", VIDEO, Choice("video/mp4", VIDEO, True)),
        (f"{RELATED}; transfer-syntax=*", J2K, Choice("image/jp2", J2K, True)),
        (RELATED, JPEG, Choice("image/jpeg", JPEG, True)),
        (f'{RELATED}; type="{OCTETS}"', LITTLE, Choice(OCTETS, LITTLE, True)),
        (f'{RELATED}; type="{OCTETS}"; transfer-syntax=*', J2K, Choice(OCTETS, J2K, True)),
        (f'{RELATED}; type="{OCTETS}"; transfer-syntax={LITTLE}', RLE, Choice(OCTETS, LITTLE, True)),
        (f'{RELATED}; type="{OCTETS}"', RLE, Choice(OCTETS, LITTLE, True)),
        (f'{RELATED}; type="image/dicom-rle"', RLE, Choice("image/dicom-rle", RLE, True)),
        (f'{RELATED}; type="image/jp2"; transfer-syntax={J2K}', J2K, Choice("image/jp2", J2K, True)),
        (f'{RELATED}; type="image/*"', J2K, Choice("image/jp2", J2K, True)),
        (f'image/jls, {RELATED}; type="image/jpeg";q=0.3', JPEG, Choice("image/jls", JLS, False)),
        ("image/jpeg", JPEG, Choice("image/jpeg", JPEG, False)),
        (f'{RELATED}; type="video/H265"', HEVC, Choice("video/H265", HEVC, True)),
        (f'{RELATED}; type="image/x-jls"', JLS, Choice("image/jls", JLS, True)),
        ("image/x-dicom-rle", RLE, Choice("image/dicom-rle", RLE, False)),
        (f'{RELATED}; type="video/mpeg2"', MPEG2, Choice("video/mpeg", MPEG2, True)),
        (OCTETS, LITTLE, Choice(OCTETS, LITTLE, False)),
        (f'{RELATED}; type="{OCTETS}"', J2K, Choice(OCTETS, LITTLE, True)),
        (f'{RELATED}; type="image/jphc"; transfer-syntax={HTJ2K}', LITTLE, Choice("image/jphc", HTJ2K, True)),
        (f'{RELATED}; type="image/jls"', J2K, Choice("image/jls", JLS, True)),
        ("image/jls", BIG, Choice("image/jls", JLS, False)),
        (f"image/jpeg;q=0.2, {OCTETS}; transfer-syntax=*;q=0.9", JPEG, Choice(OCTETS, JPEG, False)),
    ],
)
def test_frames_are_written_as_the_most_wanted_range_says(accept: str, stored: str, expected: Choice) -> None:
    """The first range that the stored frames can serve decides type, transfer syntax and whether there are parts."""
    assert choose(parse_accept(accept), stored, CT, single=True) == expected


@pytest.mark.parametrize(
    ("accept", "stored", "single"),
    [
        (f'{RELATED}; type="{OCTETS}"', VIDEO, True),
        (f'{RELATED}; type="{OCTETS}"; transfer-syntax={VIDEO}', LITTLE, True),
        (f'{RELATED}; type="image/jpeg"; transfer-syntax={JPEG}', J2K, True),
        (f'{RELATED}; type="image/jp2"; transfer-syntax={JPEG}', J2K, True),
        ("image/*", LITTLE, True),
        (OCTETS, LITTLE, False),
        ("image/jpeg", JPEG, False),
        ("text/plain", LITTLE, True),
        ("*/*;q=0", LITTLE, True),
    ],
)
def test_frames_that_cannot_be_written_so_are_refused_with_what_there_is(
    accept: str, stored: str, single: bool
) -> None:
    """Compressed bytes never pass for uncompressed ones, nor several frames for one; the refusal says what there is."""
    with pytest.raises(HealixError, match="these frames are served as") as caught:
        choose(parse_accept(accept), stored, CT, single=single)
    assert caught.value.category is Category.NOT_ACCEPTABLE
