"""Where the pictures of an MP4 file lie: by the tables of its tracks, or of its fragments.

Spec: ISO/IEC 14496-12 8.6, 8.7 and 8.8
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import unpack_from

from dicomweb.deidentify.stream.refusal import unseen

BASE, DESCRIPTION, DURATION, SIZE, MOOF_IS_BASE = 0x1, 0x2, 0x8, 0x10, 0x20000
OFFSET, FIRST_FLAGS = 0x1, 0x4
FIELDS = ((0x100, 0), (0x200, 1), (0x400, 0), (0x800, 0))
"""Of each sample of a run: the flag of a field of four bytes, and whether it is the size."""
MOST = 10_000_000
"""Samples that are counted where all have one size."""


@dataclass
class Track:
    """One track: `prefix` bytes before each unit tell its length."""

    number: int = 0
    prefix: int = 4
    hevc: bool = False
    described: bool = False
    tables: dict[bytes, bytes] = field(default_factory=dict)
    size: int = 0
    """Of a sample in fragments, where it is not told."""
    runs: list[tuple[int, list[int]]] = field(default_factory=list)
    """Place and sizes of what fragments have."""


@dataclass
class Tables:
    """What is read of the tables, box by box in the order of the file."""

    pictures: list[Track] = field(default_factory=list)
    kind: bytes = b""
    _track: Track = field(default_factory=Track)
    _moof: int = 0
    _further: bool = False
    _fragment: tuple[Track | None, int, int] = (None, 0, 0)
    """Track, place and size of a sample of the fragment that is read."""

    def enter(self, kind: bytes, at: int) -> None:
        """A box of boxes begins."""
        if kind == b"trak":
            self._track, self.kind = Track(), b""
        elif kind == b"moof":
            self._moof, self._further = at, False

    def name(self, header: bytes) -> None:
        """The header of a track tells its number."""
        (self._track.number,) = unpack_from(">L", header, 20 if header[0] == 1 else 12)

    def handle(self, kind: bytes) -> None:
        """What the track holds."""
        self.kind = kind
        if kind == b"vide":
            self.pictures.append(self._track)

    def describe(self, prefix: int, *, hevc: bool) -> None:
        """How its pictures are coded."""
        self._track.prefix, self._track.hevc, self._track.described = prefix, hevc, True

    def take(self, kind: bytes, content: bytes) -> None:
        """The content of a table."""
        if kind == b"trex":
            number, _, _, size = unpack_from(">4L", content, 4)
            if (track := self._of(number)) is not None:
                track.size = size
        elif kind == b"tfhd":
            self._fragment = self._head(content)
        elif kind == b"trun":
            self._run(content)
        else:
            self._track.tables[kind] = content

    def _of(self, number: int) -> Track | None:
        return next((one for one in self.pictures if one.number == number), None)

    def _head(self, content: bytes) -> tuple[Track | None, int, int]:
        flags, number = unpack_from(">LL", content)
        track = self._of(number)
        at, place = 8, self._moof
        if flags & BASE:
            (place,) = unpack_from(">Q", content, at)
            at += 8
        elif not flags & MOOF_IS_BASE and self._further:
            raise unseen()  # behind what the fragment of the track before has
        self._further = True
        for flag in (DESCRIPTION, DURATION):
            at += 4 if flags & flag else 0
        size = unpack_from(">L", content, at)[0] if flags & SIZE else track.size if track else 0
        return track, place, size

    def _run(self, content: bytes) -> None:
        track, place, size = self._fragment
        flags, count = unpack_from(">LL", content)
        at = 8
        if flags & OFFSET:
            (offset,) = unpack_from(">l", content, at)
            place, at = place + offset, at + 4
        elif track is not None:
            raise unseen()  # behind the run before, or at the begin of the media: nobody writes it so
        at += 4 if flags & FIRST_FLAGS else 0
        width = 4 * sum(1 for flag, _ in FIELDS if flags & flag)
        if track is None:
            return
        if count > MOST or len(content) < at + width * count:
            raise unseen()
        if flags & FIELDS[1][0]:
            before = 4 if flags & FIELDS[0][0] else 0
            sizes = [unpack_from(">L", content, at + one * width + before)[0] for one in range(count)]
        else:
            sizes = [size] * count
        track.runs.append((place, sizes))


def samples(track: Track, tables: Tables) -> Iterator[tuple[int, int]]:
    """Place and size of each picture of a track. Raises Unprocessable where its tables contradict each other."""
    if not track.described or track not in tables.pictures:
        raise unseen()
    for place, sizes in track.runs:
        yield from _following(place, sizes)
    sizes = _sizes(track.tables.get(b"stsz"))
    chunks = _chunks(track.tables)
    runs = _runs(track.tables.get(b"stsc", bytes(8)), len(chunks))
    used = 0
    for place, count in zip(chunks, runs, strict=True):
        if used + count > len(sizes):
            raise unseen()
        yield from _following(place, sizes[used : used + count])
        used += count
    if used != len(sizes):
        raise unseen()


def _following(place: int, sizes: list[int]) -> Iterator[tuple[int, int]]:
    for size in sizes:
        yield place, size
        place += size


def _sizes(content: bytes | None) -> list[int]:
    if content is None:
        raise unseen()  # sizes in fewer bits (stz2) are of other media
    one, count = unpack_from(">LL", content, 4)
    if one:
        if count > MOST:
            raise unseen()
        return [one] * count
    return list(unpack_from(f">{count}L", content, 12))


def _chunks(tables: dict[bytes, bytes]) -> list[int]:
    wide = b"co64" in tables
    content = tables.get(b"co64" if wide else b"stco", bytes(8))
    (count,) = unpack_from(">L", content, 4)
    if count * 4 > len(content):
        raise unseen()
    return list(unpack_from(f">{count}{'Q' if wide else 'L'}", content, 8))


def _runs(content: bytes, chunks: int) -> list[int]:
    """How many samples each chunk has."""
    (count,) = unpack_from(">L", content, 4)
    if count * 12 > len(content):
        raise unseen()
    rows = [unpack_from(">LL", content, 8 + 12 * one) for one in range(count)]
    found: list[int] = []
    for number, (first, each) in enumerate(rows):
        end = rows[number + 1][0] if number + 1 < len(rows) else chunks + 1
        if not 1 <= first <= end <= chunks + 1:
            raise unseen()
        found += [each] * (end - first)
    if len(found) != chunks:
        raise unseen()
    return found
