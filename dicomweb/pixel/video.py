"""What the stream of a video says of itself, read from its headers.

Spec: ISO/IEC 14496-12 8, ISO/IEC 14496-15 5 and 8, ISO/IEC 13818-2 6.2; PS3.5 8.2.5 to 8.2.11 (2024d)
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from struct import error as BrokenStruct  # noqa: N812 - what it means here
from struct import unpack_from

from dicomweb.pixel.image import broken
from healix_fhir.kernel.errors import Category, HealixError

Buffer = bytes | mmap.mmap

MPEG_2_MAIN, MPEG_2_HIGH = "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.101"
H_264_41, H_264_BLU_RAY = "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.103"
H_264_42, H_264_42_3D, H_264_STEREO = (f"1.2.840.10008.1.2.4.{n}" for n in (104, 105, 106))
H_265_MAIN, H_265_MAIN_10 = "1.2.840.10008.1.2.4.107", "1.2.840.10008.1.2.4.108"

BOX_LIMIT = 10_000
CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
AVC, HEVC = (b"avc1", b"avc3"), (b"hvc1", b"hev1")
H_264_PROFILES = (66, 77, 88, 100)
STEREO_HIGH = 128
SEQUENCE_HEADER, PICTURE = b"\0\0\1\xb3", b"\0\0\1\0"
SEARCHED = 1 << 20
RATES = (0.0, 24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 50.0, 60000 / 1001, 60.0)


@dataclass(frozen=True, slots=True)
class Video:
    """A video; `frames` is None where only its decoder could count them, `milliseconds` the time of one frame."""

    rows: int
    columns: int
    bits: int
    frames: int | None
    milliseconds: float | None
    syntaxes: tuple[str, ...]
    method: str


def read(buffer: Buffer, start: int, length: int) -> Video:
    """The video in `buffer[start:start + length]`.

    Raises Unprocessable for what is none, UnsupportedMedia for one of a kind that DICOM has no transfer syntax for.
    """
    end = start + length
    try:
        found = _mp4(buffer, start, end) if buffer[start + 4 : start + 8] == b"ftyp" else _mpeg_2(buffer, start, end)
    except (BrokenStruct, IndexError) as error:
        raise broken("a video is cut off") from error
    if not (0 < found.rows < 1 << 16 and 0 < found.columns < 1 << 16):
        raise broken("a video has no size that DICOM knows")
    return found


def _mpeg_2(buffer: Buffer, start: int, end: int) -> Video:
    """An MPEG-2 stream. Its pictures are counted where it is not packed with others."""
    at = buffer.find(SEQUENCE_HEADER, start, min(start + SEARCHED, end))
    if at < 0:
        raise broken("a video begins like no MP4 file or MPEG-2 stream")
    size, rate = unpack_from(">LB", buffer, at + 3)[0] & 0xFFFFFF, buffer[at + 7] & 15
    width, height = size >> 12, size & 0xFFF
    main = width <= 720 and height <= 576
    frames = None
    if at == start:
        frames, found = 0, start
        while (found := buffer.find(PICTURE, found, end)) >= 0:
            frames += 1
            found += 4
    milliseconds = 1000 / RATES[rate] if 0 < rate < len(RATES) else None
    syntaxes = (MPEG_2_MAIN, MPEG_2_HIGH) if main else (MPEG_2_HIGH,)
    return Video(height, width, 8, frames or None, milliseconds, syntaxes, "ISO_13818_2")


def _mp4(buffer: Buffer, start: int, end: int) -> Video:
    """The first video track of an MP4 file."""
    scale = duration = frames = 0
    sample: tuple[bytes, int, int] = (b"", 0, 0)
    for kind, at, stop in _boxes(buffer, start, end, iter(range(BOX_LIMIT))):
        if kind == b"mdhd":
            offset = 20 if buffer[at] == 1 else 12
            scale, duration = unpack_from(">LQ" if buffer[at] == 1 else ">LL", buffer, at + offset)
        elif kind == b"stsd":
            form, (entry,) = buffer[at + 12 : at + 16], unpack_from(">L", buffer, at + 8)
            sample = (form, at + 8, min(at + 8 + entry, stop))
        elif kind == b"stsz":
            (frames,) = unpack_from(">L", buffer, at + 8)
            if sample[0] not in (*AVC, *HEVC):
                continue
            width, height = unpack_from(">HH", buffer, sample[1] + 32)
            syntaxes, bits, method = _coding(buffer, *sample)
            milliseconds = duration / scale / frames * 1000 if scale and frames else None
            return Video(height, width, bits, frames or None, milliseconds, syntaxes, method)
    raise HealixError(Category.UNSUPPORTED_MEDIA, "the MP4 file holds no video of H.264 or H.265")


def _boxes(buffer: Buffer, start: int, end: int, count: Iterator[int]) -> Iterator[tuple[bytes, int, int]]:
    """Type, begin and end of the content of each box, and of those within."""
    at = start
    while at + 8 <= end:
        if next(count, None) is None:
            raise broken(f"an MP4 file has more than {BOX_LIMIT} boxes")
        size, kind = unpack_from(">L4s", buffer, at)
        begin = at + 8
        if size == 1:
            (size,) = unpack_from(">Q", buffer, begin)
            begin += 8
        stop = end if size == 0 else at + size
        if not begin <= stop <= end:
            raise broken("an MP4 file is cut off")
        if kind in CONTAINERS:
            yield from _boxes(buffer, begin, stop, count)
        else:
            yield kind, begin, stop
        at = stop


def _coding(buffer: Buffer, form: bytes, start: int, end: int) -> tuple[tuple[str, ...], int, str]:
    """Transfer syntaxes, bits of a sample and the method of a visual sample entry."""
    for kind, at, _ in _boxes(buffer, start + 86, end, iter(range(BOX_LIMIT))):
        if kind == b"avcC" and form in AVC:
            profile, level = buffer[at + 1], buffer[at + 3]
            if profile == STEREO_HIGH and level <= 42:
                return (H_264_STEREO,), 8, "ISO_14496_10"
            if profile in H_264_PROFILES and level <= 42:
                newer = (H_264_42, H_264_42_3D)
                return ((H_264_41, H_264_BLU_RAY, *newer) if level <= 41 else newer), 8, "ISO_14496_10"
        elif kind == b"hvcC" and form in HEVC:
            profile, level = buffer[at + 1] & 31, buffer[at + 12]
            if profile in (1, 2) and level <= 153:
                main = profile == 1
                syntaxes = (H_265_MAIN, H_265_MAIN_10) if main else (H_265_MAIN_10,)
                return syntaxes, 8 if main else 10, "ISO_23008_2"
    raise HealixError(Category.UNSUPPORTED_MEDIA, "the video is of a profile or level that DICOM has no syntax for")
