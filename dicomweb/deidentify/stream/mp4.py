"""MP4 files: tags, notes, names of handlers and encoders, times, and what the coded video itself says beside pictures.

Boxes that no player needs become free space of the same size. A track that is neither picture nor sound (subtitles,
time codes, data of sensors) is refused by name, and so is sound, in which people may be named, unless it may stay.

Spec: ISO/IEC 14496-12 4 and 8, ISO/IEC 14496-15 5 and 8
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import error as BrokenStruct  # noqa: N812 - what it means here
from struct import unpack_from

from dicomweb.deidentify.stream import icc
from dicomweb.deidentify.stream.refusal import refused, unseen
from dicomweb.deidentify.stream.samples import Tables, Track, samples
from dicomweb.deidentify.stream.units import LARGEST, is_supplemental, supplemental
from dicomweb.deidentify.stream.whole import Change, Whole

FREE = b"free"
CONTAINERS = frozenset(
    {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"mvex", b"moof", b"traf", b"mfra"}
)
NEEDED = frozenset(
    b"ftyp styp pdin mdat mvhd tkhd tref elst mdhd hdlr vmhd smhd dref stsd stts ctts cslg stsc stsz stco co64 stss"
    b" stsh padb stdp sdtp sbgp sgpd subs saiz saio mehd trex mfhd tfhd tfdt trun tfra mfro sidx iods".split()
)
"""Boxes of times, sizes, places and settings of decoders, which stay."""
TIMES = frozenset({b"mvhd", b"tkhd", b"mdhd"})
TABLES = frozenset({b"stsz", b"stsc", b"stco", b"co64", b"trex", b"tfhd", b"trun"})
DEEPEST, MOST = 16, 1_000_000
"""Boxes within boxes, and boxes of a file, that are looked through."""
TABLE = 64 << 20
"""Bytes of a table that is read."""
PICTURES, SOUND = b"vide", b"soun"
AVC, HEVC = (b"avc1", b"avc3"), (b"hvc1", b"hev1")
ENTRY, ENCODER = 86, 50
"""Where in the description of pictures its boxes begin, and where the name of its encoder is."""
OF_PICTURES = frozenset({b"avcC", b"hvcC", b"pasp", b"colr", b"clap", b"btrt", b"fiel", b"clli", b"mdcv"})


def changes(stream: Whole, *, sound: bool) -> Iterator[Change]:
    """What is to be changed, in no order. Raises Unprocessable for a file that cannot be looked through."""
    found = _Mp4(stream, sound=sound)
    try:
        yield from found.boxes(0, stream.length, 0, b"")
        for track in found.tracks:
            for at, size in samples(track, found.tables):
                yield from _units(stream, at, size, track)
    except (BrokenStruct, IndexError) as error:
        raise unseen() from error


class _Mp4:
    def __init__(self, stream: Whole, *, sound: bool) -> None:
        self.stream, self.sound = stream, sound
        self.tables = Tables()
        self.tracks = self.tables.pictures
        self._count = 0

    def boxes(self, start: int, end: int, depth: int, of: bytes) -> Iterator[Change]:
        at = start
        while at < end:
            head = self.stream.read(at, min(16, end - at))
            if not any(head) and not any(self.stream.read(at, min(end - at, LARGEST))):
                return  # padding
            size, kind = unpack_from(">L4s", head)
            begin = at + 8
            if size == 1:
                (size,) = unpack_from(">Q", head, 8)
                begin += 8
            stop = end if size == 0 else at + size
            self._count += 1
            if not begin <= stop <= end or depth > DEEPEST or self._count > MOST:
                raise unseen()
            yield from self._box(kind, at, begin, stop, depth, of)
            at = stop

    def _box(self, kind: bytes, at: int, begin: int, stop: int, depth: int, of: bytes) -> Iterator[Change]:
        if kind in CONTAINERS:
            self.tables.enter(kind, at)
            yield from self.boxes(begin, stop, depth + 1, kind)
            return
        if kind not in NEEDED:
            yield from _freed(at, begin, stop)
            return
        if kind in TIMES:
            wide = self.stream.read(begin, 1) == b"\1"
            yield Change(begin + 4, 16 if wide else 8)
        elif kind == b"hdlr":
            if of == b"mdia":
                self._handler(self.stream.read(begin + 8, 4))
            yield Change(begin + 24, max(stop - begin - 24, 0))
        elif kind == b"dref":
            yield from self._places(begin + 8, stop)
        elif kind == b"stsd" and self.tables.kind == PICTURES:
            yield from self._description(begin, stop)
        if kind in TABLES:
            if stop - begin > TABLE:
                raise unseen()
            self.tables.take(kind, self.stream.read(begin, stop - begin))
        if kind == b"tkhd":
            self.tables.name(self.stream.read(begin, 24))

    def _handler(self, kind: bytes) -> None:
        if kind == SOUND and not self.sound:
            raise refused("its video has sound, in which people may be named")
        if kind not in (PICTURES, SOUND):
            raise refused("its video has a track that is neither picture nor sound")
        self.tables.handle(kind)

    def _places(self, begin: int, stop: int) -> Iterator[Change]:
        """Where the media are: here. An address of another place is removed."""
        at = begin
        while at + 12 <= stop:
            (size,) = unpack_from(">L", self.stream.read(at, 4))
            if size < 12 or at + size > stop:
                raise unseen()
            yield Change(at + 12, size - 12)
            at += size

    def _description(self, begin: int, stop: int) -> Iterator[Change]:
        content = self.stream.read(begin, min(stop - begin, LARGEST))
        if len(content) < stop - begin or unpack_from(">L", content, 4) != (1,):
            raise unseen()
        size, coding = unpack_from(">L4s", content, 8)
        if coding not in AVC + HEVC or not ENTRY <= size <= len(content) - 8:
            raise refused("its video is of a coding that is not looked through")
        entry = begin + 8
        yield Change(entry + ENCODER, 32)
        at = entry + ENTRY
        while at + 8 <= entry + size:
            length, kind = unpack_from(">L4s", content, at - begin)
            if not 8 <= length <= entry + size - at:
                raise unseen()
            if kind not in OF_PICTURES:
                yield from _freed(at, at + 8, at + length)
            inside = content[at + 8 - begin : at + length - begin]
            if kind == b"avcC":
                self.tables.describe(inside[4] % 4 + 1, hevc=False)
            elif kind == b"colr" and inside[:4] in (b"prof", b"rICC"):
                yield from _profile(inside[4:], at + 12)
            elif kind == b"hvcC":
                self.tables.describe(inside[21] % 4 + 1, hevc=True)
                yield from _settings(inside, at + 8)
            at += length


def _profile(content: bytes, place: int) -> Iterator[Change]:
    """A colour profile, of which its colours stay. Spec: ISO/IEC 14496-12 12.1.5"""
    if (profile := icc.cleaned(content)) is None:
        raise unseen()
    yield Change(place, len(profile), profile)


def _freed(at: int, begin: int, stop: int) -> Iterator[Change]:
    yield Change(at + 4, 4, FREE)
    yield Change(begin, stop - begin)


def _settings(content: bytes, place: int) -> Iterator[Change]:
    """The units that come before all pictures of H.265."""
    at = 23
    for _ in range(content[22]):
        (count,) = unpack_from(">H", content, at + 1)
        at += 3
        for _ in range(count):
            (size,) = unpack_from(">H", content, at)
            yield from supplemental(content[at + 2 : at + 2 + size], place + at + 2, hevc=True)
            at += 2 + size


def _units(stream: Whole, at: int, size: int, track: Track) -> Iterator[Change]:
    """The units of one picture."""
    end = at + size
    if end > stream.length:
        raise unseen()
    while at < end:
        head = stream.read(at, track.prefix + 2)
        length = int.from_bytes(head[: track.prefix], "big")
        at += track.prefix
        if length == 0 or at + length > end:
            raise unseen()
        if is_supplemental(head[track.prefix :], hevc=track.hevc):
            if length > LARGEST:
                raise unseen()
            yield from supplemental(stream.read(at, length), at, hevc=track.hevc)
        at += length
