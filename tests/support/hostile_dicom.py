"""Mutations of a CT image, as broken and hostile senders make them: each an instance of its own, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from struct import pack_into, unpack_from
from typing import TypeAlias

from tests.support.dicom import bare, ct, uid

LONG = (b"OB", b"OW", b"SQ", b"UN", b"UT")
SHORT_LENGTHS = (0, 1, 3, 0x7FFF, 0xFFFE, 0xFFFF)
LONG_LENGTHS = (0, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
REPRESENTATIONS = (b"SQ", b"UN", b"OB", b"US", b"FD", b"AT", b"IS", b"DS", b"PN", b"UI", b"ZZ", b"\0\0")
PREFIX_END = 132
STUDY = 1000
"""Instances of a study."""

Change: TypeAlias = Callable[[bytes, bytes], bytes]
"""From a file's head (preamble and File Meta Information) and its data set to a mutation of the file."""


@dataclass(frozen=True)
class Element:
    """Where an element of a flat explicit data set begins, where its length is, and where it ends."""

    start: int
    length_at: int
    wide: bool
    end: int


def elements(data: bytes) -> list[Element]:
    """The elements of a flat explicit little endian data set."""
    found, at = [], 0
    while at < len(data):
        wide = data[at + 4 : at + 6] in LONG
        length_at = at + (8 if wide else 6)
        (length,) = unpack_from("<L" if wide else "<H", data, length_at)
        found.append(Element(at, length_at, wide, length_at + (4 if wide else 2) + length))
        at = found[-1].end
    return found


def mutations(seed: int, count: int = 0) -> Iterator[tuple[str, str, bytes]]:
    """What was done, the UID of the instance, and the file: every cut and length once, and what chance makes again and
    again until there are `count`.
    """
    chance = Random(seed)
    plan = [change for kind in (_cut, _lengths, *BY_CHANCE) for change in kind(chance)]
    while len(plan) < count:
        plan += [change for kind in BY_CHANCE for change in kind(chance)]
    for number, (name, change) in enumerate(plan, 1):
        head, data = _halves(number)
        yield name, uid(1 + number // STUDY, 1, number), change(head, data)


def _halves(number: int) -> tuple[bytes, bytes]:
    file = ct(1 + number // STUDY, 1, number, size=16)
    data = bare(file)
    return file[: -len(data)], data


def _count() -> range:
    return range(len(elements(_halves(1)[1])))


def _cut(_: Random) -> Iterator[tuple[str, Change]]:
    for n in _count():
        for further in (0, 1, 4, 7, 9):
            yield f"cut {further} bytes into element {n}", partial(_cut_at, n, further)


def _cut_at(n: int, further: int, head: bytes, data: bytes) -> bytes:
    return head + data[: elements(data)[n].start + further]


def _lengths(_: Random) -> Iterator[tuple[str, Change]]:
    for n, element in enumerate(elements(_halves(1)[1])):
        for length in LONG_LENGTHS if element.wide else SHORT_LENGTHS:
            yield f"element {n} of length {length:#x}", partial(_with_length, n, length)


def _with_length(n: int, length: int, head: bytes, data: bytes) -> bytes:
    element, changed = elements(data)[n], bytearray(data)
    pack_into("<L" if element.wide else "<H", changed, element.length_at, length)
    return head + changed


def _representations(chance: Random) -> Iterator[tuple[str, Change]]:
    for n in _count():
        for vr in chance.sample(REPRESENTATIONS, 3):
            yield f"element {n} as {vr!r}", partial(_with_representation, n, vr)


def _with_representation(n: int, vr: bytes, head: bytes, data: bytes) -> bytes:
    at = elements(data)[n].start + 4
    return head + data[:at] + vr + data[at + 2 :]


def _order(chance: Random) -> Iterator[tuple[str, Change]]:
    for _ in range(20):
        one, two = chance.sample(_count(), 2)
        yield f"elements {one} and {two} exchanged", partial(_exchange, one, two)


def _exchange(one: int, two: int, head: bytes, data: bytes) -> bytes:
    parts = [data[element.start : element.end] for element in elements(data)]
    parts[one], parts[two] = parts[two], parts[one]
    return head + b"".join(parts)


def _flips(chance: Random) -> Iterator[tuple[str, Change]]:
    for _ in range(100):
        at, value = chance.randrange(460), chance.randrange(256)
        yield f"byte {at} of the data set is {value}", partial(_flip, at, value)


def _flip(at: int, value: int, head: bytes, data: bytes) -> bytes:
    return head + data[:at] + bytes([value]) + data[at + 1 :]


def _copies(chance: Random) -> Iterator[tuple[str, Change]]:
    for _ in range(50):
        begin, length, target = chance.randrange(450), chance.randrange(1, 40), chance.randrange(450)
        yield f"{length} bytes from {begin} again at {target}", partial(_copy, begin, length, target)


def _copy(begin: int, length: int, target: int, head: bytes, data: bytes) -> bytes:
    return head + data[:target] + data[begin : begin + length] + data[target:]


def _heads(chance: Random) -> Iterator[tuple[str, Change]]:
    for _ in range(50):
        at, value = chance.randrange(PREFIX_END, PREFIX_END + 180), chance.randrange(256)
        yield f"byte {at} of the file is {value}", partial(_flip_head, at, value)


def _flip_head(at: int, value: int, head: bytes, data: bytes) -> bytes:
    return _flip(at, value, b"", head + data)


BY_CHANCE = (_representations, _order, _flips, _copies, _heads)
