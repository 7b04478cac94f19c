"""What stored video says beside its pictures is gone, and the pictures are where they were."""

from __future__ import annotations

from pathlib import Path
from struct import pack

import pytest
from pydicom.uid import VideoEndoscopicImageStorage

from dicomweb.deidentify.options import BurnedIn
from dicomweb.pixel import video
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.deidentified import made
from tests.support.dicom import data_set, encapsulated, with_pixels
from tests.support.video import box, mp4

pytestmark = pytest.mark.spec("PS3.15 E.1.1 (2026c)")
SUPPORT = Path(__file__).parents[2] / "support"
SYNTAX = "1.2.840.10008.1.2.4."
REAL = {
    "videos/h264.mp4": "102",
    "videos/h265.mp4": "108",
    "videos/fragmented.mp4": "102",
    "viewed/clip.mp4": "102",
}
SAID = (b"Lavf", b"Lavc", b"x264", b"x265", b"Handler")
UUID = bytes(range(1, 17))


def cleaned(content: bytes, number: str, *, cut: int = 700, burned_in: BurnedIn = BurnedIn.REFUSE) -> bytes:
    """What is made of a stream, in fragments of that size."""
    ds = with_pixels(data_set(), bits=8)
    ds.SOPClassUID, ds.BurnedInAnnotation = VideoEndoscopicImageStorage, "NO"
    even = content + b"\0" * (len(content) % 2)
    fragments = [even[at : at + cut] for at in range(0, len(even), cut)]
    _, written, _ = made(encapsulated(ds, fragments, syntax=SYNTAX + number, count=1), burned_in=burned_in)
    found, at = bytearray(), written.rindex(pack("<HHL", 0xFFFE, 0xE000, len(fragments[0])) + content[:4])
    while written[at : at + 4] == pack("<HH", 0xFFFE, 0xE000):
        size = int.from_bytes(written[at + 4 : at + 8], "little")
        found += written[at + 8 : at + 8 + size]
        at += 8 + size
    return bytes(found[: len(content)])


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("cut", [128, 1 << 20])
def test_what_encoders_write_is_gone(name: str, cut: int) -> None:
    """Tags, names of handlers and encoders, and their notes between pictures, wherever fragments are cut."""
    content = (SUPPORT / name).read_bytes()
    assert any(word in content for word in SAID)
    after = cleaned(content, REAL[name], cut=cut)
    assert not [word for word in SAID if word in after]
    assert len(after) == len(content)
    assert video.read(after, 0, len(after)) == video.read(content, 0, len(content))


def test_pictures_stay() -> None:
    """Of the coded pictures of a real video only the encoder's note is another one."""
    content = (SUPPORT / "viewed/clip.mp4").read_bytes()
    after = cleaned(content, "102")
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    if start > end:
        start, end = content.index(b"mdat") + 4, len(content)
    changed = [at for at in range(start, end) if content[at] != after[at]]
    note = content.index(b"x264 - core")
    assert changed
    assert note - 16 <= min(changed)
    assert max(changed) <= content.index(b"\0", note)
    assert {after[at] for at in changed} == {0xFF}


def test_times_and_tags_of_a_file() -> None:
    """When a file was made, what it is called and where, and boxes that nobody knows."""
    content = mp4(64, 48, frames=1, profile=100, level=41).replace(b"moov", b"Xoov")
    header = box(b"mvhd", pack(">BxxxLL", 0, 0xDEADBEEF, 0xDEADBEEF), bytes(88))
    tags = box(b"udta", box(b"\xa9nam", b"Doe^Jane"), box(b"loci", b"Doe^Jane"))
    others = box(b"uuid", UUID, b"Doe^Jane") + box(b"moov", header, tags) + box(b"free", b"Doe^Jane")
    after = cleaned(content + others + bytes(9), "102")
    assert b"Doe" not in after
    assert b"\xde\xad\xbe\xef" not in after
    assert after.count(b"udta") == after.count(b"uuid") == 0
    assert after.count(b"free") == 4  # also the box that was no moov


def _track(kind: bytes) -> bytes:
    handler = box(b"hdlr", bytes(8), kind, bytes(12), b"Doe^Jane\0")
    return box(b"ftyp", b"isom", bytes(4)) + box(b"moov", box(b"trak", box(b"mdia", handler)))


def test_sound_is_refused_unless_it_may_stay() -> None:
    """People may be named in it; a project that keeps what may be burned in keeps it too."""
    with pytest.raises(HealixError, match="sound") as refused:
        cleaned(_track(b"soun"), "102")
    assert refused.value.category is Category.UNPROCESSABLE
    assert b"Doe" not in cleaned(_track(b"soun"), "102", burned_in=BurnedIn.KEEP)


@pytest.mark.parametrize(
    ("content", "number", "reason"),
    [
        (_track(b"text"), "102", "neither picture nor sound"),
        (_track(b"meta"), "102", "neither picture nor sound"),
        ((SUPPORT / "videos/mpeg2.ts").read_bytes(), "100", "transport or program stream"),
        (b"\0\0\1\xba" + bytes(200), "100", "transport or program stream"),
        (b"RIFF" + bytes(200), "102", "neither an MP4 file nor a bare stream"),
        (mp4(64, 48, frames=1, profile=100, level=41)[:-120], "102", "cannot be looked through"),
        (box(b"ftyp", b"isom", bytes(4)) + b"\0\0\0\x99moov", "102", "cannot be looked through"),
    ],
)
def test_what_cannot_be_looked_through_is_refused(content: bytes, number: str, reason: str) -> None:
    """Tracks of other kinds, packets, other files, and what is cut off."""
    with pytest.raises(HealixError, match=reason) as refused:
        cleaned(content, number)
    assert refused.value.category is Category.UNPROCESSABLE


@pytest.mark.parametrize("cut", [16, 1 << 20])
def test_user_data_of_mpeg_2(cut: int) -> None:
    """User data becomes ones, in which no start code is; all else of a real stream is as it was."""
    content = (SUPPORT / "videos/mpeg2.m2v").read_bytes()
    at = content.index(b"\0\0\1\x00")  # the first picture
    noted = content[:at] + b"\0\0\1\xb2Doe^Jane" + content[at:]
    after = cleaned(noted, "100", cut=cut)
    assert after == content[:at] + b"\0\0\1\xb2" + b"\xff" * 8 + content[at:]


@pytest.mark.parametrize(("number", "head"), [("102", b"\x06"), ("107", b"\x4e\x01")])
def test_supplemental_information_of_bare_streams(number: str, head: bytes) -> None:
    """User data with a UUID or of ITU-T T.35 becomes ones; other information stays, and so do pictures."""
    picture = b"\0\0\1" + (b"\x65" if number == "102" else b"\x26\x01") + b"pictured Doe^Jane"
    noted = UUID + b"Doe\0\0\3\0^Jane"  # with a byte that keeps a start code out
    recovery = b"\6\1\x84"
    unit = b"\0\0\0\1" + head + recovery + bytes([5, len(noted) - 1]) + noted + b"\4\3Doe\x80"
    after = cleaned(unit + picture, number)
    kept = len(unit) - len(noted) - 6
    assert after[:kept] == unit[:kept]
    assert after[kept : len(unit)] == b"\xff" * len(noted) + b"\4\3\xff\xff\xff\x80"
    assert after[len(unit) :] == picture


@pytest.mark.parametrize(
    ("number", "head", "clock", "after"), [("102", b"\x06", b"\1", b"\3"), ("107", b"\x4e\x01", b"\x88", b"\4")]
)
def test_times_of_the_day_in_bare_streams(number: str, head: bytes, clock: bytes, after: bytes) -> None:
    """Information with the time at which a picture was taken becomes one of another kind, which says nothing."""
    picture = b"\0\0\1" + (b"\x65" if number == "102" else b"\x26\x01") + b"pictured"
    unit = b"\0\0\0\1" + head + b"\6\1\x84"
    timed = clock + b"\x09" + b"\x12\x34\x56\0\0\3\1\x78\x9a\xbc" + b"\6\1\x84\x80"
    silent = after + b"\x09" + b"\xff" * 10 + b"\6\1\x84\x80"
    assert cleaned(unit + timed + picture, number) == unit + silent + picture


@pytest.mark.parametrize("flags", [0x00, 0x40, 0x60])
def test_times_of_groups_of_pictures(flags: int) -> None:
    """A group of MPEG-2 pictures begins at midnight; whether it is closed or broken stays, and the marker too."""
    content = (SUPPORT / "videos/mpeg2.m2v").read_bytes()
    at = content.index(b"\0\0\1\xb8") + 4
    time = (17 << 26 | 42 << 20 | 1 << 19 | 33 << 13 | 24 << 7 | flags).to_bytes(4, "big")
    after = cleaned(content[:at] + time + content[at + 4 :], "100")
    assert after[at : at + 4] == (1 << 19 | flags).to_bytes(4, "big")
    assert after[:at] + after[at + 4 : at + 400] == content[:at] + content[at + 4 : at + 400]


@pytest.mark.parametrize("name", REAL)
def test_a_video_that_is_cut_off_or_damaged_is_made_or_refused(name: str) -> None:
    """Never anything else, wherever it ends and whichever of its bytes are wrong."""
    content = (SUPPORT / name).read_bytes()
    step = max(len(content) // 150, 1)
    damaged = [content[:end] for end in range(8, len(content), step)]
    damaged += [content[:at] + b"\xff\xff" + content[at + 2 :] for at in range(8, len(content) - 2, step)]
    for one in damaged:
        try:
            assert len(cleaned(one, REAL[name])) == len(one)
        except HealixError as error:
            assert error.category is Category.UNPROCESSABLE  # noqa: PT017 - either may be
