"""Pixel data that came as pictures or a video: what they say of themselves, and how they stand in the object.

Spec: PS3.18 10.5.2 and Table 10.5.2-1, 8.7.3.3 (2024d)
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence

from dicomweb.archive.spool import Spool
from dicomweb.dicomjson.encode import Content, Frames, Span
from dicomweb.dicomjson.model import Members, number_of
from dicomweb.dicomjson.syntax import EXPLICIT_LITTLE, NATIVE, RLE_LOSSLESS
from dicomweb.pixel import codestream, consumer, video
from dicomweb.pixel.codestream import Picture
from dicomweb.pixel.consumer import Native
from dicomweb.pixel.pool import work_now
from dicomweb.pixel.syntaxes import JPEG_XL, JPEG_XL_LOSSLESS, JPEG_XL_RECOMPRESSION
from dicomweb.study.iod import FRAMES, Described, classify_image, describe, mismatch, require_description
from dicomweb.study.parcel import Parcel, Part
from healix_fhir.kernel.errors import Category, HealixError

CODED = frozenset({0x7FE00010})
"""The pixel data that may be compressed."""
STREAMS = frozenset({"image/jpeg", "image/jls", "image/jp2", "image/jpx", "image/j2c", "image/jphc", "image/jph"})
"""Pictures whose stream is read, whatever the media type says of it."""
DECODED = frozenset({"image/png", "image/gif"})
OPAQUE = {
    "image/dicom-rle": (RLE_LOSSLESS,),
    "image/jxl": (JPEG_XL, JPEG_XL_LOSSLESS, JPEG_XL_RECOMPRESSION),
}
"""Pictures that the metadata have to describe, and the transfer syntaxes that they may be of."""
VIDEOS = frozenset({"video/mp4", "video/mpeg", "video/mpeg2", "video/h265"})

Entered = tuple[str, Content, Members]
"""The transfer syntax, the content of the pixel data, and the attributes that were replaced, as they were."""


def is_picture(media: str) -> bool:
    """Whether pixel data of this type is more than octets."""
    return media in STREAMS or media in DECODED or media in OPAQUE or media in VIDEOS


class Pictures:
    """Reads pictures in `parcel`, whose file is `buffer`; decoded ones go to `spool`."""

    def __init__(self, parcel: Parcel, buffer: mmap.mmap, spool: Spool) -> None:
        self._parcel = parcel
        self._buffer = buffer
        self._spool = spool

    def enter(self, members: Members, parts: Sequence[Part], declared: str) -> Entered:
        """Enter the pictures, a frame each, or a whole animation or video, into `members`; `declared` is the transfer
        syntax that their sender names, if any.

        Raises Unprocessable where they contradict the metadata or that, UnsupportedMedia where DICOM has no syntax.
        """
        media = {part.media.name for part in parts}
        if len(media) > 1:
            raise mismatch("the frames are of different media types")
        (kind,) = media
        wanted = "" if declared in NATIVE else declared
        if kind in OPAQUE:
            return self._opaque(members, parts, kind, wanted)
        if kind in VIDEOS:
            return self._video(members, parts, wanted)
        pictures = []
        if kind in STREAMS:
            pictures = [codestream.read(self._buffer, part.start, part.length) for part in parts]
            if all(picture.syntaxes for picture in pictures):
                return self._streams(members, pictures, wanted)
        if wanted:
            raise mismatch("the pictures are not of the transfer syntax that is named for them")
        return self._decoded(members, parts, kind, pictures[0].method if pictures else None)

    def _streams(self, members: Members, pictures: Sequence[Picture], wanted: str) -> Entered:
        first = pictures[0]
        frames = Frames([self._span(*picture.stream) for picture in pictures])
        if any(_form(picture) != _form(first) for picture in pictures):
            raise mismatch("the frames differ in size or form")
        shared = [syntax for syntax in first.syntaxes if all(syntax in picture.syntaxes for picture in pictures)]
        syntax = _chosen(shared, wanted)
        size = sum(map(len, frames.frames))
        whole = first.rows * first.columns * first.samples * (1 if first.bits <= 8 else 2) * len(pictures)
        found = Described(
            first.rows,
            first.columns,
            first.samples,
            first.bits,
            len(pictures),
            first.photometric,
            first.says_colour,
            first.signed,
            next((picture.method for picture in pictures if picture.method), None),
            whole / size,
        )
        replaced = describe(members, found)
        classify_image(members, found)
        return syntax, frames, replaced

    def _opaque(self, members: Members, parts: Sequence[Part], kind: str, wanted: str) -> Entered:
        require_description(members, floating=False)
        if (number_of(members, FRAMES) or 1) != len(parts):
            raise mismatch("there are not as many frames as NumberOfFrames says")
        return _chosen(OPAQUE[kind], wanted), Frames([self._span(part.start, part.length) for part in parts]), {}

    def _video(self, members: Members, parts: Sequence[Part], wanted: str) -> Entered:
        if len(parts) > 1:
            raise mismatch("a video is one part")
        (part,) = parts
        read = video.read(self._buffer, part.start, part.length)
        found = Described(
            read.rows,
            read.columns,
            3,
            read.bits,
            number_of(members, FRAMES) or read.frames,
            "YBR_PARTIAL_420",
            sure=False,
            method=read.method,
            milliseconds=read.milliseconds,
            video=True,
        )
        replaced = describe(members, found)
        classify_image(members, found)
        return _chosen(read.syntaxes, wanted), Frames([self._span(part.start, part.length)]), replaced

    def _decoded(self, members: Members, parts: Sequence[Part], kind: str, method: str | None) -> Entered:
        """Pictures that DICOM has no transfer syntax for, decoded one after the other."""
        self._spool.flush()  # the file, which another process writes to
        made = [
            work_now(consumer.native, str(self._parcel.path), part.start, part.length, str(self._spool.path), kind)
            for part in parts
        ]
        first = made[0]
        if any(_form(one) != _form(first) for one in made):
            raise mismatch("the frames differ in size or form")
        count = sum(one.frames for one in made)
        photometric = "RGB" if first.samples == 3 else "MONOCHROME2"
        found = Described(
            first.rows, first.columns, first.samples, first.bits, count, photometric, sure=True, method=method
        )
        replaced = describe(members, found)
        classify_image(members, found)
        size = first.rows * first.columns * first.samples * (first.bits // 8) * count
        return EXPLICIT_LITTLE, Span(self._spool.descriptor, 0, size), replaced

    def _span(self, start: int, length: int) -> Span:
        if length > 1 << 32:
            raise HealixError(Category.TOO_LARGE, "a frame or video is longer than 4 GB")
        return Span(self._parcel.descriptor, start, length)


def _form(picture: Picture | Native) -> tuple[int, ...]:
    return picture.rows, picture.columns, picture.samples, picture.bits


def _chosen(possible: Sequence[str], wanted: str) -> str:
    if wanted and wanted not in possible:
        raise mismatch("the pixel data is not of the transfer syntax that is named for it")
    if not possible:
        raise mismatch("the frames are of different transfer syntaxes")
    return wanted or possible[0]
