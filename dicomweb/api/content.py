"""The content of an answer before it is read: bytes, stretches of stored blobs, and what is made when it is its turn.

What lies in blobs has a size before it is read, so that it can be told, and cut to the ranges that a caller asks for.
Spec: RFC 9110 8.6, 14
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from xxhash import xxh3_128_hexdigest

from dicomweb.archive.aside import aside
from dicomweb.archive.blobs import Archive

BATCH = 256 << 10
WHOLE = 1 << 20
"""Bytes of an answer that is read and sent at once."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """`length` bytes of the blob `key` from `start`."""

    key: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Made:
    """What a function makes, in pieces, when it is its turn; its size is not known before. `form` says what of which
    blob it is.
    """

    make: Callable[[], Iterable[bytes]]
    form: str


Piece = bytes | Stretch | Made
Content = Sequence[Piece]


def size(content: Content) -> int | None:
    """How many bytes it has, or None where some are yet to be made."""
    found = 0
    for piece in content:
        if isinstance(piece, Made):
            return None
        found += piece.length if isinstance(piece, Stretch) else len(piece)
    return found


def identity(content: Content) -> str:
    """What it is of, for tags: the same for the same bytes."""
    return " ".join(
        f"{piece.key} {piece.start} {piece.length}" if isinstance(piece, Stretch)
        else piece.form if isinstance(piece, Made)
        else xxh3_128_hexdigest(piece)
        for piece in content
    )  # fmt: skip


def cut(content: Content, first: int, last: int) -> list[Piece]:
    """The bytes from `first` to `last`, both included, of content of a known size."""
    found: list[Piece] = []
    position = 0
    for piece in content:
        assert not isinstance(piece, Made), "what is yet to be made is not cut"
        length = piece.length if isinstance(piece, Stretch) else len(piece)
        begin, end = max(first - position, 0), min(last + 1 - position, length)
        if begin < end:
            if isinstance(piece, Stretch):
                found.append(Stretch(piece.key, piece.start + begin, end - begin))
            else:
                found.append(piece[begin:end])
        position += length
    return found


def octets(archive: Archive, content: Content) -> Iterator[bytes]:
    """The bytes, read as they are taken."""
    for piece in content:
        if isinstance(piece, Stretch):
            if piece.length <= BATCH:
                yield archive.read(piece.key, piece.start, piece.length)
            else:
                yield from archive.stream(piece.key, piece.start, piece.length)
        elif isinstance(piece, Made):
            yield from piece.make()
        else:
            yield piece


async def batches(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes in batches, each read in a thread."""
    while batch := await aside(batch_of, pieces):
        yield batch


def batch_of(pieces: Iterator[bytes]) -> bytes:
    """At least `BATCH` bytes and at most one piece more; empty at the end."""
    taken: list[bytes] = []
    length = 0
    for piece in pieces:
        taken.append(piece)
        length += len(piece)
        if length >= BATCH:
            break
    return b"".join(taken)


def whole(archive: Archive, content: Content) -> bytes:
    """All bytes at once."""
    return b"".join(octets(archive, content))


def at_hand(archive: Archive, content: Content, length: int) -> memoryview | None:
    """All `length` bytes where they are in memory already; None where somebody has to wait for some of them.

    They are read to where they are sent from, without another copy.
    """
    whole = memoryview(bytearray(length))
    position = 0
    for piece in content:
        if isinstance(piece, Made):
            return None
        if isinstance(piece, Stretch):
            end = position + piece.length
            if not archive.read_at_hand(piece.key, piece.start, whole[position:end]):
                return None
        else:
            end = position + len(piece)
            whole[position:end] = piece
        position = end
    return whole
