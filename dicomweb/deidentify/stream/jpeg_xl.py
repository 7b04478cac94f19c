"""JPEG XL codestreams: names of channels and frames, times of the day, extensions, and what follows the last frame.

Zeros take their places, bit by bit; no field becomes longer or shorter. What is coded arithmetically is not looked
through and is refused: a colour profile, which has names in it, and where a frame ends whose sections are in another
order, if frames follow.

Spec: ISO/IEC 18181-1 D (image header), F (frame header and table of contents)
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dicomweb.deidentify.stream.bits import Bits, Choice
from dicomweb.deidentify.stream.refusal import emptied, unseen

START = b"\xff\x0a"
SIDE: tuple[Choice, ...] = ((1, 9), (1, 13), (1, 18), (1, 30))
RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
"""Columns to rows."""
NAME: tuple[Choice, ...] = ((0, 0), (0, 4), (16, 5), (48, 10))
"""How long a name is."""
BITS: tuple[Choice, ...] = ((8, 0), (10, 0), (12, 0), (1, 6))
FLOATING: tuple[Choice, ...] = ((32, 0), (16, 0), (24, 0), (1, 6))
CHANNELS: tuple[Choice, ...] = ((0, 0), (1, 0), (2, 4), (1, 12))
TICKS: tuple[Choice, ...] = ((100, 0), (1000, 0), (1, 10), (1, 30))
PER: tuple[Choice, ...] = ((1, 0), (1001, 0), (1, 8), (1, 10))
LOOPS: tuple[Choice, ...] = ((0, 0), (0, 3), (0, 16), (0, 32))
DURATION: tuple[Choice, ...] = ((0, 0), (1, 0), (0, 8), (0, 32))
CUSTOM: tuple[Choice, ...] = ((0, 19), (524288, 19), (1048576, 20), (2097152, 21))
"""A coordinate of a colour."""
MOSAIC: tuple[Choice, ...] = ((1, 0), (0, 2), (3, 4), (19, 8))
SHIFT: tuple[Choice, ...] = ((0, 0), (3, 0), (4, 0), (1, 3))
UPSAMPLING: tuple[Choice, ...] = ((1, 0), (2, 0), (4, 0), (8, 0))
PASSES: tuple[Choice, ...] = ((1, 0), (2, 0), (3, 0), (4, 3))
STEPS: tuple[Choice, ...] = ((0, 0), (1, 0), (2, 0), (3, 1))
LAST_PASS: tuple[Choice, ...] = ((0, 0), (1, 0), (2, 0), (0, 3))
FROM_ONE: tuple[Choice, ...] = ((1, 0), (2, 0), (3, 0), (4, 0))
FROM_ZERO: tuple[Choice, ...] = ((0, 0), (1, 0), (2, 0), (3, 0))
CROP: tuple[Choice, ...] = ((0, 8), (256, 11), (2304, 14), (18688, 30))
BLENDING: tuple[Choice, ...] = ((0, 0), (1, 0), (2, 0), (3, 2))
ALPHA_CHANNEL: tuple[Choice, ...] = ((0, 0), (1, 0), (2, 0), (3, 3))
SECTION: tuple[Choice, ...] = ((0, 10), (1024, 14), (17408, 22), (4211712, 30))

ALPHA, SPOT, COLOUR_FILTER = 0, 2, 5
"""Types of channels that have further fields."""
GREY, XYB, GIVEN = 1, 2, 2
"""Two colour spaces, and a white point or primaries that are given by numbers."""
REGULAR, LOW_FREQUENCY, REFERENCE, PROGRESSIVE = range(4)
"""Types of frames."""
SHOWN = (REGULAR, PROGRESSIVE)
USE_LOW_FREQUENCY = 0x20
REPLACE, BLEND, WEIGHTED, MULTIPLY = 0, 2, 3, 4
BLOCK = 8
WEIGHTS = (15, 55, 210)
"""Numbers of custom upsampling by two, four and eight."""


@dataclass(slots=True)
class Image:
    """What the image header says that decides which fields frames have."""

    columns: int
    rows: int
    animated: bool = False
    timed: bool = False
    channels: int = 0
    xyb: bool = True


@dataclass(slots=True)
class Frame:
    """What a frame header says that decides which fields follow and where the frame ends."""

    columns: int
    rows: int
    kind: int = REGULAR
    modular: bool = False
    upsampling: int = 1
    group: int = 256
    passes: int = 1
    level: int = 0
    whole: bool = True
    blending: int = REPLACE
    duration: int = 0
    last: bool = True
    names: list[int] = field(default_factory=list)


def cleaned(made: bytearray) -> list[int]:
    """Empty what a codestream says beside its picture, in place; where each name stands, in bits. Raises Unprocessable
    for what cannot be looked through.
    """
    if not made.startswith(START):
        raise unseen()
    bits = Bits(made, 16)
    names: list[int] = []
    image = _image(bits, names)
    last = False
    while not last:
        bits.align()
        frame = _frame(bits, image)
        names += frame.names
        last = frame.last
        if bits.flag():  # the sections are in another order
            if not last:
                raise unseen()
            return names
        bits.skip(8 * _sections(bits, frame))
    emptied(made, bits.at >> 3, len(made))
    return names


def _image(bits: Bits, names: list[int]) -> Image:
    """The image header."""
    image = Image(*_size(bits))
    if not bits.flag():
        _described(bits, image, names)
    if not bits.flag():
        if image.xyb and not bits.flag():
            bits.halves(16)
        mask = bits.take(3)
        bits.halves(sum(count for place, count in enumerate(WEIGHTS) if mask >> place & 1))
    return image


def _size(bits: Bits) -> tuple[int, int]:
    """Columns and rows."""
    by_eight = bits.flag()

    def side() -> int:
        return (bits.take(5) + 1) * 8 if by_eight else bits.u32(*SIDE)

    rows = side()
    ratio = bits.take(3)
    if not ratio:
        return side(), rows
    across, down = RATIOS[ratio]
    return rows * across // down, rows


def _described(bits: Bits, image: Image, names: list[int]) -> None:
    further = bits.flag()
    if further:
        bits.skip(3)
        if bits.flag():
            _size(bits)
        if bits.flag():
            raise unseen()  # a preview: a second picture
        image.animated = bits.flag()
        if image.animated:
            bits.u32(*TICKS)
            bits.u32(*PER)
            bits.u32(*LOOPS)
            image.timed = bits.flag()
    _depth(bits)
    bits.flag()
    image.channels = bits.u32(*CHANNELS)
    for _ in range(image.channels):
        _channel(bits, names)
    image.xyb = bits.flag()
    _colours(bits)
    if further and not bits.flag():
        bits.halves(2)
        bits.flag()
        bits.halves(1)
    _extensions(bits)


def _depth(bits: Bits) -> None:
    floating = bits.flag()
    bits.u32(*(FLOATING if floating else BITS))
    if floating:
        bits.skip(4)


def _channel(bits: Bits, names: list[int]) -> None:
    if bits.flag():
        return
    kind = bits.enum()
    _depth(bits)
    bits.u32(*SHIFT)
    _name(bits, names)
    if kind == ALPHA:
        bits.flag()
    elif kind == SPOT:
        bits.halves(4)
    elif kind == COLOUR_FILTER:
        bits.u32(*MOSAIC)


def _name(bits: Bits, names: list[int]) -> None:
    length = bits.u32(*NAME)
    names.append(bits.at)
    bits.emptied(8 * length)


def _colours(bits: Bits) -> None:
    if bits.flag():
        return
    if bits.flag():
        raise unseen()  # a colour profile
    space = bits.enum()
    if space != XYB:
        if bits.enum() == GIVEN:
            _points(bits, 1)
        if space != GREY and bits.enum() == GIVEN:
            _points(bits, 3)
        if bits.flag():
            bits.skip(24)
        else:
            bits.enum()
    bits.enum()


def _points(bits: Bits, count: int) -> None:
    for _ in range(2 * count):
        bits.u32(*CUSTOM)


def _extensions(bits: Bits) -> None:
    """No decoder knows any: their bits say nothing then."""
    known = bits.u64()
    sizes = [bits.u64() for place in range(64) if known >> place & 1]
    bits.emptied(sum(sizes))


def _frame(bits: Bits, image: Image) -> Frame:
    """A frame header."""
    frame = Frame(image.columns, image.rows)
    if bits.flag():
        return frame
    frame.kind, frame.modular = bits.take(2), bits.flag()
    flags = bits.u64()
    coded_colours = False if image.xyb else bits.flag()
    if not flags & USE_LOW_FREQUENCY:
        if coded_colours:
            bits.skip(6)
        frame.upsampling = bits.u32(*UPSAMPLING)
        for _ in range(image.channels):
            bits.u32(*UPSAMPLING)
    if frame.modular:
        frame.group = 128 << bits.take(2)
    elif image.xyb:
        bits.skip(6)
    if frame.kind != REFERENCE:
        _passes(bits, frame)
    if frame.kind == LOW_FREQUENCY:
        frame.level = bits.u32(*FROM_ONE)
    elif bits.flag():
        _crop(bits, frame, image)
    _shown(bits, frame, image)
    _name(bits, frame.names)
    _filters(bits, modular=frame.modular)
    _extensions(bits)
    return frame


def _passes(bits: Bits, frame: Frame) -> None:
    frame.passes = bits.u32(*PASSES)
    if frame.passes > 1:
        steps = bits.u32(*STEPS)
        bits.skip(2 * (frame.passes - 1) + 2 * steps)
        for _ in range(steps):
            bits.u32(*LAST_PASS)


def _crop(bits: Bits, frame: Frame, image: Image) -> None:
    left, top = (_signed(bits.u32(*CROP)) for _ in range(2)) if frame.kind in SHOWN else (0, 0)
    frame.columns, frame.rows = bits.u32(*CROP), bits.u32(*CROP)
    if frame.kind in SHOWN:
        frame.whole = (
            left <= 0 and top <= 0 and left + frame.columns >= image.columns and top + frame.rows >= image.rows
        )


def _signed(number: int) -> int:
    return -(number >> 1) - 1 if number & 1 else number >> 1


def _shown(bits: Bits, frame: Frame, image: Image) -> None:
    """How a frame is shown and kept."""
    frame.last = False
    if frame.kind in SHOWN:
        frame.blending = _blending(bits, frame, image)
        for _ in range(image.channels):
            _blending(bits, frame, image)
        if image.animated:
            frame.duration = bits.u32(*DURATION)
            if image.timed:
                bits.emptied(32)
        frame.last = bits.flag()
    if frame.kind == LOW_FREQUENCY:
        return
    kept = 0 if frame.last else bits.u32(*FROM_ZERO)
    referred = not frame.last and (not frame.duration or kept)
    if frame.kind == REFERENCE or (referred and frame.blending == REPLACE and frame.whole):
        bits.flag()


def _blending(bits: Bits, frame: Frame, image: Image) -> int:
    mode = bits.u32(*BLENDING)
    by_alpha = image.channels > 0 and mode in (BLEND, WEIGHTED)
    if by_alpha:
        bits.u32(*ALPHA_CHANNEL)
    if by_alpha or mode == MULTIPLY:
        bits.flag()
    if mode != REPLACE or not frame.whole:
        bits.take(2)
    return mode


def _filters(bits: Bits, *, modular: bool) -> None:
    if bits.flag():
        return
    if bits.flag() and bits.flag():
        bits.halves(6)
    if bits.take(2):
        if not modular and bits.flag():
            bits.halves(8)
        if bits.flag():
            bits.halves(5)
        if bits.flag():
            bits.halves(3 if modular else 4)
        if modular:
            bits.halves(1)
    _extensions(bits)


def _sections(bits: Bits, frame: Frame) -> int:
    """The bytes of the sections that follow, by the table of contents."""
    bits.align()
    size = sum(bits.u32(*SECTION) for _ in range(_count(frame)))
    bits.align()
    return size


def _count(frame: Frame) -> int:
    sides = [-(-side // (frame.upsampling << 3 * frame.level)) for side in (frame.columns, frame.rows)]
    groups, large = (_tiles(sides, frame.group * scale) for scale in (1, BLOCK))
    return 1 if groups == frame.passes == 1 else 2 + large + groups * frame.passes


def _tiles(sides: list[int], size: int) -> int:
    return -(-sides[0] // size) * -(-sides[1] // size)
