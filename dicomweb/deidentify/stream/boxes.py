"""Files in boxes: JP2 and JPEG XL with Exif, XML, UUIDs and labels beside the picture.

Boxes that no decoder needs become free space of the same size. The codestream is looked through as such, and of a
colour profile its colours stay.

Spec: ISO/IEC 15444-1 I, ISO/IEC 15444-2 M (free space), ISO/IEC 18181-2 4 and 9
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import unpack_from

from dicomweb.deidentify.stream import icc, jpeg_xl
from dicomweb.deidentify.stream.jpeg2000 import START, Jpeg2000
from dicomweb.deidentify.stream.refusal import emptied, unseen

JP2, JXL = b"\0\0\0\x0cjP  \r\n\x87\n", b"\0\0\0\x0cJXL \r\n\x87\n"
FREE = b"free"
NEEDED = frozenset({b"jP  ", b"JXL ", b"ftyp", b"rreq", b"jxll", b"jxli"})
"""Boxes that stay as they are.

Not `jbrd`, from which the JPEG file can be made again that a picture was: it has the metadata of that file in it.
"""
HEADERS = frozenset({b"jp2h", b"jpch", b"jplh", b"cgrp"})
"""Boxes of boxes that describe the picture."""
CODESTREAM, DEEPEST = b"jp2c", 4
JXL_CODESTREAM = {b"jxlc": 0, b"jxlp": 4}
"""The boxes of the codestream of JPEG XL, whole or in parts, and where in them it begins."""
COLOURS, PROFILE, BY_PROFILE = b"colr", 3, (2, 3)
"""The box of colours, where in it a profile begins, and the methods that say that there is one."""
OF_HEADER = frozenset({b"ihdr", b"bpcc", b"colr", b"pclr", b"cmap", b"cdef", b"res "})


class Boxes:
    """A file of boxes, in one fragment."""

    def begin(self, made: bytearray) -> None:
        """The whole file."""
        parts: list[slice] = []
        for kind, at, start, end in boxes(made, 0, len(made)):
            if kind in HEADERS:
                _described(made, start, end, 0)
            elif kind == CODESTREAM:
                _codestream(made, start, end)
            elif kind in JXL_CODESTREAM:
                parts.append(slice(start + JXL_CODESTREAM[kind], end))
            elif kind not in NEEDED:
                freed(made, at, start, end)
        if parts:
            _in_parts(made, parts)

    def more(self, made: bytearray) -> None:
        """A box cannot be cut in two."""
        raise unseen()


class Bare:
    """A codestream of JPEG XL that is in no boxes, in one fragment."""

    def begin(self, made: bytearray) -> None:
        """The whole codestream."""
        jpeg_xl.cleaned(made)

    def more(self, made: bytearray) -> None:
        """It cannot be cut in two: names may stand anywhere."""
        raise unseen()


def _in_parts(made: bytearray, parts: list[slice]) -> None:
    inside = bytearray().join(made[part] for part in parts)
    jpeg_xl.cleaned(inside)
    at = 0
    for part in parts:
        end = at + part.stop - part.start
        made[part] = inside[at:end]
        at = end


def _described(made: bytearray, start: int, end: int, depth: int) -> None:
    for kind, at, begin, stop in boxes(made, start, end):
        if kind in HEADERS and depth < DEEPEST:
            _described(made, begin, stop, depth + 1)
        elif kind not in OF_HEADER:
            freed(made, at, begin, stop)
        elif kind == COLOURS and stop > begin and made[begin] in BY_PROFILE:
            if (profile := icc.cleaned(bytes(made[begin + PROFILE : stop]))) is None:
                raise unseen()
            made[begin + PROFILE : stop] = profile


def _codestream(made: bytearray, start: int, end: int) -> None:
    inside = made[start:end]
    if not inside.startswith(START):
        raise unseen()
    Jpeg2000().begin(inside)
    made[start:end] = inside


def boxes(made: bytearray, start: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Kind of each box, where it is, and the begin and end of its content. Raises Unprocessable for what is cut off."""
    at = start
    while at < end:
        if at + 8 > end:
            if any(made[at:end]):
                raise unseen()
            return  # padding
        size, kind = unpack_from(">L4s", made, at)
        begin = at + 8
        if size == 1 and begin + 8 <= end:
            (size,) = unpack_from(">Q", made, begin)
            begin += 8
        stop = end if size == 0 else at + size
        if not begin <= stop <= end:
            raise unseen()
        yield kind, at, begin, stop
        at = stop


def freed(made: bytearray, at: int, start: int, end: int) -> None:
    """Make free space of a box."""
    made[at + 4 : at + 8] = FREE
    emptied(made, start, end)
